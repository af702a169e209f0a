"""`python -m engine_service` serves; `… rotate-credentials` changes keys instead."""

import sys

from engine_service import imports
from shared import interpreter

interpreter.before_imports()
interpreter.leave_out(*imports.LEFT_OUT)
interpreter.import_later(*imports.LATER)

from engine_service import server  # noqa: E402 (after the lines above)
from engine_service.vault import rotation  # noqa: E402

interpreter.after_imports()
sys.exit(rotation.main() if sys.argv[1:] == ["rotate-credentials"] else server.main())

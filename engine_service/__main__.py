"""`python -m engine_service` serves; `… rotate-credentials` changes keys instead."""

import sys

from shared import interpreter

interpreter.before_imports()
interpreter.leave_out("rich", "numpy")

from engine_service import server  # noqa: E402 (after the line above)
from engine_service.vault import rotation  # noqa: E402

interpreter.after_imports()
sys.exit(rotation.main() if sys.argv[1:] == ["rotate-credentials"] else server.main())

"""`python -m agent_service`."""

import sys

from agent_service import imports
from shared import interpreter

interpreter.before_imports()
interpreter.leave_out(*imports.LEFT_OUT)
interpreter.import_later(*imports.LATER)

from agent_service.server import main  # noqa: E402 (after the lines above)

interpreter.after_imports()
sys.exit(main())

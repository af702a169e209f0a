"""`python -m agent_service`."""

import sys

from shared import interpreter

interpreter.before_imports()
interpreter.leave_out("rich")

from agent_service.server import main  # noqa: E402 (after the line above)

interpreter.after_imports()
sys.exit(main())

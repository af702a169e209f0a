"""`python -m engine_service`."""

import gc
import sys

# What importing makes, stays: looking through it for garbage takes a fifth of the start.
gc.disable()

from engine_service.server import main  # noqa: E402 (after the line above)

gc.enable()
sys.exit(main())

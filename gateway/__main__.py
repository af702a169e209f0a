"""`python -m gateway`."""

import gc
import os
import sys

# What importing makes, stays: looking through it for garbage takes a fifth of the start.
gc.disable()
# Processes are started while gRPC works; its handlers for forks would crash some of them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from gateway.server import main  # noqa: E402 (after the line above)

gc.enable()
sys.exit(main())

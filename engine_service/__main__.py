"""`python -m engine_service` serves; `… rotate-credentials` changes keys instead."""

import gc
import os
import sys

# What importing makes, stays: looking through it for garbage takes a fifth of the start.
gc.disable()
# Processes are started while gRPC works; its handlers for forks would crash some of them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from engine_service import server  # noqa: E402 (after the line above)
from engine_service.vault import rotation  # noqa: E402

gc.enable()
sys.exit(rotation.main() if sys.argv[1:] == ["rotate-credentials"] else server.main())

"""`python -m agent_service`."""

import sys

from agent_service.server import main

sys.exit(main())

"""`python -m engine_service`."""

import sys

from engine_service.server import main

sys.exit(main())

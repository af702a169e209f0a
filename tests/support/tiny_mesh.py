"""A real mesh, as `flowloom up` holds it, of real servers and tiny services; for tests of its life.

`python -m tests.support.tiny_mesh STATE_DIRECTORY [ENGINES]` obeys the same signals and ends with
the same exit codes.
"""

import os
import sys
from pathlib import Path

from cli.embedded.mesh import MeshOptions, Modules
from cli.embedded.state import StateDirectory
from cli.up import hold

if __name__ == "__main__":
    tiny = "tests.support.tiny_service"
    sys.exit(
        hold(
            StateDirectory(Path(sys.argv[1])),
            MeshOptions(
                port=int(os.environ.get("TINY_PORT", "0")),
                engines=int(sys.argv[2]) if len(sys.argv) > 2 else 1,
                modules=Modules(gateway=tiny, agent=tiny, engine=tiny),
            ),
            verbose=False,
        )
    )

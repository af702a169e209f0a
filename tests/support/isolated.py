"""Programs that look at the repository and are no part of it: fetched once, run apart."""

import shutil
import sys
from pathlib import Path


def isolated(requirement: str) -> list[str]:
    """How to run a program of one package that the project itself does without."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    return [uv, "run", "--quiet", "--isolated", "--no-project", "--with", requirement]

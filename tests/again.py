"""Runs what failed last once more, one by one; refuses when that is more than chance explains."""

import json
import sys
from pathlib import Path

import pytest

_LAST_FAILED = Path(__file__).parents[1] / ".pytest_cache/v/cache/lastfailed"
_MOST = 3


def main() -> int:
    """The runner's exit code; 1 when too many tests failed."""
    failed = sorted(json.loads(_LAST_FAILED.read_text())) if _LAST_FAILED.exists() else []
    if not 0 < len(failed) <= _MOST:
        sys.stderr.write(f"{len(failed)} tests failed; no more than {_MOST} are run again.\n")
        return 1
    sys.stdout.write("Once more, by themselves:\n" + "".join(f"  {one}\n" for one in failed))
    return int(pytest.main(["--long", "-q", *failed]))


if __name__ == "__main__":
    sys.exit(main())

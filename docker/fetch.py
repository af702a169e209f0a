"""Inside the build: fetch one program and refuse it unless its SHA-256 is the promised one."""

import hashlib
import sys
import urllib.request
from pathlib import Path

_SECONDS = 60


def main(url: str, sha256: str, target: str) -> int:
    """Write what `url` has to `target`, executable; the process's exit status."""
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
        content: bytes = answer.read()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        sys.stderr.write(f"{url} has SHA-256 {found}, not {sha256}\n")
        return 1
    Path(target).write_bytes(content)
    Path(target).chmod(0o555)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

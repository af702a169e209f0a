"""Inside the build: the part of requirements.lock that a service needs, hashes and all.

    select_locked.py --service gateway > gateway.lock
    select_locked.py --build-system > build.lock

pip says which packages that are, held to the lock's versions; what is printed is the lock's own
text, so nothing can be installed that the lock does not know.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

_PINNED = re.compile(r"([A-Za-z0-9._-]+)==[^ \\\n]+")


def blocks(lock: str) -> dict[str, list[str]]:
    """The lock's entries by package; a package has several where platforms differ."""
    entries: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        if found := _PINNED.match(entry):
            entries.setdefault(_normal(found[1]), []).append(entry)
    return entries


def needed(requirements: list[str], lock: dict[str, list[str]]) -> list[str]:
    """The names of all packages that the requirements lead to."""
    with tempfile.TemporaryDirectory() as folder:
        pins, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        first_lines = (entry.split("\n")[0] for entries in lock.values() for entry in entries)
        pins.write_text("\n".join(line.removesuffix(" \\") for line in first_lines))
        subprocess.run(
            (
                *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"),
                *("--ignore-installed", "--only-binary", ":all:"),
                *("--constraint", str(pins), "--report", str(report)),
                *requirements,
            ),
            check=True,
            stdout=sys.stderr,
        )
        installed: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return sorted(_normal(package["metadata"]["name"]) for package in installed)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Print the selected entries; the process's exit status."""
    pyproject = tomllib.loads(Path("pyproject.toml").read_text())
    match arguments:
        case ["--build-system"]:
            requirements: list[str] = pyproject["build-system"]["requires"]
        case ["--service", service]:
            project = pyproject["project"]
            requirements = project["dependencies"] + project["optional-dependencies"][service]
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    lock = blocks(Path("requirements.lock").read_text())
    names = needed(requirements, lock)
    if unknown := [name for name in names if name not in lock]:
        sys.stderr.write(f"requirements.lock does not hold: {', '.join(unknown)}\n")
        return 1
    sys.stdout.writelines(f"{entry}\n" for name in names for entry in lock[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Gets n8n and the Node.js that it wants from npm, below one folder that is kept."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

N8N = "n8n@2.41.1"
NODE = "node@24"
# What its expressions are kept apart with; the other packages that would be compiled are for nodes
# that nothing here uses.
_COMPILED = "isolated-vm"


@dataclass(frozen=True, slots=True)
class Installed:
    """An n8n that can be started."""

    home: Path

    @property
    def command(self) -> Sequence[str]:
        return (str(self._programs / "node"), str(self._programs / "n8n"))

    def environment(self) -> dict[str, str]:
        """Ours, with the right Node.js in front."""
        return {**os.environ, "PATH": f"{self._programs}{os.pathsep}{os.environ.get('PATH', '')}"}

    @property
    def _programs(self) -> Path:
        return self.home / "node_modules" / ".bin"


async def install(home: Path) -> Installed:
    """Install what is not there yet.

    Raises:
        RuntimeError: npm is missing or could not; the message ends with its last words.
    """
    home.mkdir(parents=True, exist_ok=True)
    installed = Installed(home)
    done = home / ".installed"
    if not done.exists():
        if not (home / "package.json").exists():
            (home / "package.json").write_text('{"private": true}')
        quiet = ("--no-audit", "--no-fund")
        await _npm(installed, "install", NODE, *quiet)
        await _npm(installed, "install", N8N, "--ignore-scripts", *quiet)
        await _npm(installed, "rebuild", _COMPILED)
        done.touch()
    return installed


async def _npm(installed: Installed, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "npm",
        *arguments,
        cwd=installed.home,
        env=installed.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"npm {' '.join(arguments)} failed:\n{said.decode()[-2000:]}")

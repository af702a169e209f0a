"""The embedded PostgreSQL: the wheel's own initdb, pg_ctl and postgres, driven from outside.

A home directory and a password come in; a running server with loopback TCP and (where the path is
short enough) a Unix socket comes out. The server is a daemon of its own: it outlives whoever
started it until `stop` ends it. Two roles exist: `postgres`, the superuser that nobody uses
afterwards, and `flowloom`, an ordinary owner as managed databases offer one, so that what works
here works there.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from cli.embedded.placement import EmbeddedError, Placement, place
from cli.embedded.ports import LOOPBACK, free_port

OWNER = "flowloom"
SUPERUSER = "postgres"

# For a small machine: little memory while idle, no surprises from the host's locale or clock.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "48MB",
    "max_connections": "60",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "max_parallel_workers_per_gather": "0",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "huge_pages": "off",
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "password_encryption": "scram-sha-256",
}

# sun_path holds 108 bytes on Linux and 104 on macOS, its end mark and "/.s.PGSQL.65535" included.
_LONGEST_SOCKET_DIRECTORY = 87
_START_SECONDS = 60
_ORPHANS_SECONDS = 10
_STILL_IN_USE = "pre-existing shared memory block"
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a running server listens."""

    port: int
    socket: Path | None


class EmbeddedPostgres:
    """One database cluster in one home directory; start, stop and ask it for addresses."""

    def __init__(
        self,
        home: Path,
        password: str,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._home = home
        self._password = password
        self._port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._placement: Placement | None = None

    @property
    def placement(self) -> Placement:
        if self._placement is None:
            self._placement = place(self._home)
        return self._placement

    @property
    def log(self) -> Path:
        return self.placement.log

    async def start(self) -> None:
        """Make the cluster if there is none, and start it; a server that already runs here is kept.

        Raises:
            EmbeddedError: it did not start; the message ends with its own last words.
        """
        await asyncio.to_thread(self._start)
        if not (self.placement.home / "ready").exists():
            await self._create_owner()
            (self.placement.home / "ready").touch()

    async def stop(self) -> None:
        """End the server, rolling back what is open; does nothing when none runs."""
        await asyncio.to_thread(self._stop)

    async def create_database(self, name: str) -> None:
        """Create a database that `flowloom` owns, with pgvector in it."""
        async with await self._connect("postgres") as connection:
            await connection.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER)
                )
            )

    async def drop_database(self, name: str) -> None:
        async with await self._connect("postgres") as connection:
            await connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    def pid(self) -> int | None:
        """Return the server's process id, or None when it does not run."""
        try:
            process = psutil.Process(int(self._pid_file.read_text().split("\n", 1)[0]))
            # After a crash the number may belong to anything by now, above all in a container.
            ours = str(self.placement.data) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.ZombieProcess):
            return None
        return process.pid if ours else None

    def connection(self) -> Connection:
        """Read from the running server's own file where it listens.

        Raises:
            EmbeddedError: no server runs here.
        """
        try:
            lines = self._pid_file.read_text().splitlines()
            return Connection(int(lines[3]), Path(lines[4]) if lines[4] else None)
        except (FileNotFoundError, IndexError) as error:
            raise EmbeddedError(f"No PostgreSQL runs in {self._home}.") from error

    def url(self, database: str = OWNER, *, user: str = OWNER) -> str:
        """Return the address over TCP, as every client understands it."""
        port = self.connection().port
        return (
            f"postgresql://{user}:{_quoted(self._password)}@{LOOPBACK}:{port}/{_quoted(database)}"
        )

    def socket_url(self, database: str = OWNER) -> str:
        """Return the address over the Unix socket (faster), or over TCP when there is none."""
        connection = self.connection()
        if connection.socket is None:
            return self.url(database)
        place_of_socket = _quoted(str(connection.socket))
        credentials = f"{OWNER}:{_quoted(self._password)}"
        return (
            f"postgresql://{credentials}@/{_quoted(database)}"
            f"?host={place_of_socket}&port={connection.port}"
        )

    @property
    def _pid_file(self) -> Path:
        return self.placement.data / "postmaster.pid"

    async def _connect(self, database: str) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self.url(database, user=SUPERUSER), autocommit=True
        )

    async def _create_owner(self) -> None:
        """Create the role `flowloom`, pgvector in every database to come, and the first of them."""
        async with await self._connect("template1") as connection:
            await connection.execute("create extension if not exists vector")
        async with await self._connect("postgres") as connection:
            known = await connection.execute("select from pg_roles where rolname = %s", [OWNER])
            if known.rowcount == 0:
                await connection.execute(
                    sql.SQL("create role {} login createdb createrole password {}").format(
                        sql.Identifier(OWNER), sql.Literal(self._password)
                    )
                )
            known = await connection.execute("select from pg_database where datname = %s", [OWNER])
        if known.rowcount == 0:
            await self.create_database(OWNER)

    def _start(self) -> None:
        if not (self.placement.data / "PG_VERSION").exists():
            self._initialise()
        if self.pid() is not None:
            return
        self._pid_file.unlink(missing_ok=True)  # stale: PostgreSQL would trust a reused number
        socket_directory = self._socket_directory()
        options = {
            **self._settings,
            "port": str(self._port or free_port()),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": str(socket_directory or ""),
        }
        configuration = self.placement.data / "flowloom.conf"
        configuration.write_text(
            "".join(f"{key} = '{_escape(value)}'\n" for key, value in options.items())
        )
        self._hand_over(configuration)
        self._launch()

    def _launch(self) -> None:
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                self._run("pg_ctl", "start", "-w", "-t", str(_START_SECONDS), "-l", str(self.log))
            except EmbeddedError as error:
                # Right after a kill -9 its children still hold the memory; they notice and leave.
                if _STILL_IN_USE not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _stop(self) -> None:
        if self.pid() is not None:
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(_STOP_SECONDS))

    def _initialise(self) -> None:
        """Run initdb aside and rename: a half-made cluster is never taken for a whole one."""
        home = self.placement.home
        partial = home / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        # Not /dev/stdin: root's pipe cannot be opened by the account that initdb runs as.
        with tempfile.NamedTemporaryFile("w", dir=home) as password:
            password.write(self._password)
            password.flush()
            self._hand_over(Path(password.name))
            self._run(
                *("initdb", "--username", SUPERUSER, "--pwfile", password.name),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *("--set", "max_connections=20", "--set", "shared_buffers=16MB"),
                data=partial,
            )
        with (partial / "postgresql.conf").open("a") as configuration:
            configuration.write("include 'flowloom.conf'\n")
        partial.rename(self.placement.data)

    def _socket_directory(self) -> Path | None:
        directory = self.placement.home / "socket"
        if len(os.fsencode(directory)) > _LONGEST_SOCKET_DIRECTORY:
            return None
        directory.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(directory)
        return directory

    def _hand_over(self, path: Path) -> None:
        """Give what we wrote to the account that the server runs as."""
        if self.placement.account is not None:
            os.chown(path, self.placement.account.uid, self.placement.account.gid)

    def _run(self, program: str, *arguments: str, data: Path | None = None) -> None:
        """Run one of the wheel's programs as the right account."""
        account = self.placement.account
        command: Sequence[str] = [
            str(self.placement.programs / program),
            *("-D", str(data or self.placement.data)),
            *arguments,
        ]
        # A file, not a pipe: the server inherits it, and a pipe would stay open while it lives.
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.placement.home,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                check=False,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
            if finished.returncode != 0:
                output.seek(0)
                raise EmbeddedError(
                    f"PostgreSQL's {program} failed:\n{output.read().strip()}\n{self._last_words()}"
                )

    def _last_words(self, lines: int = 15) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _quoted(part: str) -> str:
    return quote(part, safe="")

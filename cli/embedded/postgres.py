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
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psutil

from cli.embedded.logs import rotate
from cli.embedded.placement import EmbeddedError, Placement, place
from cli.embedded.ports import LOOPBACK, remembered_port
from cli.embedded.postgres_programs import assign, hand_over, quoted, run
from cli.embedded.processes import find_alive

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

_CREATE_OWNER = """
select format('create role %I login createdb createrole password %L', :'owner', :'password')
 where not exists (select from pg_roles where rolname = :'owner') \\gexec
select format('create database %I owner %I', :'owner', :'owner')
 where not exists (select from pg_database where datname = :'owner') \\gexec
"""

# sun_path holds 108 bytes on Linux and 104 on macOS, its end mark and "/.s.PGSQL.65535" included.
_LONGEST_SOCKET_DIRECTORY = 87
_START_SECONDS = 60
_STOP_SECONDS = 30
_ORPHANS_SECONDS = 10
_STILL_IN_USE = "pre-existing shared memory block"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a running server listens."""

    port: int
    socket: Path | None


class EmbeddedPostgres:
    """One database cluster in one home directory."""

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

    @cached_property
    def placement(self) -> Placement:
        """Where it lives and as whom it runs; asking for it prepares the place."""
        return place(self._home)

    @property
    def log(self) -> Path:
        return self.placement.log

    async def start(self) -> None:
        """Make the cluster if there is none, and start it; a server that already runs here is kept.

        Raises:
            EmbeddedError: it did not start; the message ends with its own last words.
        """
        await asyncio.to_thread(self._start)

    async def stop(self, *, immediately: bool = False) -> None:
        """End the server, rolling back what is open; does nothing when none runs.

        Args:
            immediately: Skip the last checkpoint; the next start recovers from the log.
        """
        await asyncio.to_thread(self._stop, "immediate" if immediately else "fast")

    async def create_database(self, name: str) -> None:
        """Create a database that `flowloom` owns, with pgvector in it."""
        await asyncio.to_thread(self._sql, 'create database :"name" owner :"owner";', name=name)

    async def drop_database(self, name: str) -> None:
        await asyncio.to_thread(
            self._sql, 'drop database if exists :"name" with (force);', name=name
        )

    async def dump(self, target: Path) -> None:
        """Write what the database holds, as of one moment, into a file; work on it goes on."""
        await asyncio.to_thread(self._dump, target)

    async def restore(self, source: Path) -> None:
        """Have in the database what such a file holds, and nothing else."""
        await asyncio.to_thread(self._restore, source)

    def pid(self) -> int | None:
        """Return the server's process id, or None when it does not run."""
        try:
            process = find_alive(int(self._pid_file.read_text().split("\n", 1)[0]))
            ours = process is not None and str(self.placement.data) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return process.pid if process and ours else None

    def listening(self) -> Listening:
        """Read from the server's own file where it listens.

        Raises:
            EmbeddedError: no server runs here.
        """
        try:
            lines = self._pid_file.read_text().splitlines()
            return Listening(int(lines[3]), Path(lines[4]) if lines[4] else None)
        except (FileNotFoundError, IndexError) as error:
            raise EmbeddedError(f"No PostgreSQL runs in {self._home}.") from error

    def url(self, database: str = OWNER) -> str:
        """Return the address over TCP, as every client understands it."""
        credentials = f"{OWNER}:{_in_url(self._password)}"
        return f"postgresql://{credentials}@{LOOPBACK}:{self.listening().port}/{_in_url(database)}"

    def socket_url(self, database: str = OWNER) -> str:
        """Return the address over the Unix socket (faster), or over TCP when there is none."""
        listening = self.listening()
        if listening.socket is None:
            return self.url(database)
        return (
            f"postgresql://{OWNER}:{_in_url(self._password)}@/{_in_url(database)}"
            f"?host={_in_url(str(listening.socket))}&port={listening.port}"
        )

    @property
    def _pid_file(self) -> Path:
        return self.placement.data / "postmaster.pid"

    def _start(self) -> None:
        if not (self.placement.data / "PG_VERSION").exists():
            self._initialise()
        if self.pid() is None:
            self._pid_file.unlink(missing_ok=True)  # stale: PostgreSQL would trust a reused number
            self._configure()
            rotate(self.log)
            self._launch()
        peopled = self.placement.home / "peopled"
        if not peopled.exists():
            self._sql("create extension if not exists vector;", database="template1")
            self._sql(_CREATE_OWNER, password=self._password)
            peopled.touch()

    def _stop(self, mode: str) -> None:
        if self.pid() is not None:
            self._pg_ctl("stop", "-w", "-m", mode, "-t", str(_STOP_SECONDS))

    def _initialise(self) -> None:
        """Run initdb aside and rename: a half-made cluster is never taken for a whole one."""
        home = self.placement.home
        partial = home / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        # Not by standard input: initdb opens it by name, which root's files do not allow it.
        with tempfile.NamedTemporaryFile("w", dir=home) as password:
            password.write(self._password)
            password.flush()
            hand_over(self.placement, Path(password.name))
            run(
                self.placement,
                *("initdb", "-D", str(partial), "--username", SUPERUSER),
                *("--pwfile", password.name, "--auth", "scram-sha-256"),
                *("--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *("--set", "max_connections=20", "--set", "shared_buffers=16MB"),
            )
        with (partial / "postgresql.conf").open("a") as configuration:
            configuration.write("include 'flowloom.conf'\n")
        partial.rename(self.placement.data)

    def _configure(self) -> None:
        settings = {
            **self._settings,
            "port": str(self._port or remembered_port(self.placement.home / "port")),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": str(self._socket_directory() or ""),
        }
        configuration = self.placement.data / "flowloom.conf"
        configuration.write_text(
            "".join(f"{name} = {quoted(value)}\n" for name, value in settings.items())
        )
        hand_over(self.placement, configuration)

    def _socket_directory(self) -> Path | None:
        directory = self.placement.home / "socket"
        if len(os.fsencode(directory)) > _LONGEST_SOCKET_DIRECTORY:
            return None
        # A socket left by kill -9 names a process that, not yet buried, may seem to live.
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        hand_over(self.placement, directory)
        return directory

    def _launch(self) -> None:
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                self._pg_ctl("start", "-w", "-t", str(_START_SECONDS), "-l", str(self.log))
            except EmbeddedError as error:
                # Right after a kill -9 its children still hold the memory; they notice and leave.
                if _STILL_IN_USE not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _pg_ctl(self, *arguments: str) -> None:
        run(self.placement, "pg_ctl", "-D", str(self.placement.data), *arguments)

    def _dump(self, target: Path) -> None:
        # Where the account that PostgreSQL runs as may write.
        partial = self.placement.home / "dump"
        partial.unlink(missing_ok=True)
        self._client("pg_dump", "--format=custom", f"--file={partial}", database=OWNER)
        shutil.move(partial, target)
        if self.placement.account is not None:
            os.chown(target, os.geteuid(), os.getegid())
        target.chmod(0o600)

    def _restore(self, source: Path) -> None:
        partial = self.placement.home / "dump"
        shutil.copyfile(source, partial)
        hand_over(self.placement, partial)
        options = ("--clean", "--if-exists", "--exit-on-error", f"--dbname={OWNER}")
        self._client("pg_restore", *options, str(partial), database=OWNER)
        partial.unlink()

    def _sql(self, statements: str, *, database: str = SUPERUSER, **variables: str) -> None:
        """Run statements as the superuser, with the wheel's psql: no driver has to be loaded."""
        known = variables | {"owner": OWNER}
        script = "".join(assign(name, value) for name, value in known.items())
        options = ("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1")
        self._client("psql", *options, database=database, script=f"{script}{statements}\n")

    def _client(self, program: str, *arguments: str, database: str, script: str = "") -> None:
        """Run one of the wheel's clients as the superuser."""
        run(
            self.placement,
            program,
            *arguments,
            script=script,
            environment={
                "PGHOST": LOOPBACK,
                "PGPORT": str(self.listening().port),
                "PGUSER": SUPERUSER,
                "PGDATABASE": database,
                "PGPASSWORD": self._password,
            },
        )


def _in_url(part: str) -> str:
    return quote(part, safe="")

"""The state directory (`.flowloom/`): a mesh's lock, secrets, logs, data, and note of what runs.

`mesh.json` is what other commands and tests read; it and the secrets are for their owner only.
"""

import base64
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from cli.embedded.placement import EmbeddedError
from cli.embedded.processes import ProcessRecord

DEFAULT = Path(".flowloom")
# Generated once and kept: without them the data of earlier starts is locked away.
SECRETS = ("postgres_password", "valkey_password", "mesh_secret", "credential_keys")


class AlreadyRunning(EmbeddedError):
    """Another mesh holds this state directory."""


@dataclass(frozen=True, slots=True)
class MeshRecord:
    """What runs where; addresses are complete, processes can be found again."""

    state: Literal["starting", "ready", "draining"]
    pid: int
    started_at: str
    gateway_url: str
    agent_address: str
    engine_addresses: tuple[str, ...]
    database_url: str
    redis_url: str
    logs: str
    processes: tuple[ProcessRecord, ...] = field(default=())


class StateDirectory:
    """One `.flowloom/`; at most one mesh at a time holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.blobs = self.path / "blobs"
        self.lock = self.path / "lock"
        self.mesh_file = self.path / "mesh.json"
        self.secrets_file = self.path / "secrets.json"

    @contextmanager
    def claim(self) -> Generator[None]:
        """Hold the directory; the operating system lets go of it when we die.

        Raises:
            AlreadyRunning: somebody else holds it.
            EmbeddedError: it cannot be written.
        """
        self._prepare()
        with self.lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(
                    f"A mesh already runs in {self.path} (process {self.holder()}). "
                    "Stop it first, or choose another place with --state-dir."
                ) from error
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def holder(self) -> int | None:
        """Return the process id in the lock file, be that process alive or not."""
        try:
            return int(self.lock.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def is_held(self) -> bool:
        """Tell whether a living process holds the directory."""
        try:
            with self.lock.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        return False

    def secrets(self) -> Mapping[str, str]:
        """Return the secrets of this mesh, generating those that are missing."""
        known = _read(self.secrets_file) or {}
        missing = [name for name in SECRETS if name not in known]
        if missing:
            known |= {name: _new_secret(name) for name in missing}
            self._write(self.secrets_file, known)
        return known

    def write_mesh(self, mesh: MeshRecord) -> None:
        self._write(self.mesh_file, asdict(mesh))

    def find_mesh(self) -> MeshRecord | None:
        """Return what was last written about a mesh here, be it alive or not."""
        found = _read(self.mesh_file)
        if found is None:
            return None
        try:
            found["engine_addresses"] = tuple(found["engine_addresses"])
            found["processes"] = tuple(ProcessRecord(**process) for process in found["processes"])
            return MeshRecord(**found)
        except (KeyError, TypeError) as error:
            raise _damaged(self.mesh_file, error) from error

    def forget_mesh(self) -> None:
        self.mesh_file.unlink(missing_ok=True)

    def _prepare(self) -> None:
        try:
            if self.path.exists() and not self.path.is_dir():
                raise EmbeddedError(
                    f"The state directory {self.path} is a file. "
                    "Choose a directory with --state-dir."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            # Root lends PostgreSQL another account, which has to pass through; it can list nothing.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self.blobs.mkdir(mode=0o700, exist_ok=True)
            self.lock.touch(mode=0o600)
        except OSError as error:
            raise EmbeddedError(
                f"The state directory {self.path} cannot be written ({error.strerror}). Run as its "
                "owner, mend its permissions, or choose another place with --state-dir."
            ) from error

    def _write(self, target: Path, content: Mapping[str, Any]) -> None:
        """Replace a file in one step, readable by its owner only."""
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.path, delete=False) as partial:
                json.dump(content, partial, indent=2)
            Path(partial.name).replace(target)
        except OSError as error:
            raise EmbeddedError(f"{target} cannot be written ({error.strerror}).") from error


def _new_secret(name: str) -> str:
    if name == "credential_keys":  # a key of exactly 256 bits, with its id
        return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return secrets.token_urlsafe(36)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: Any = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EmbeddedError(
            f"{path} cannot be read ({error.strerror}). Run as its owner, or choose another state "
            "directory with --state-dir or FLOWLOOM_STATE_DIR."
        ) from error
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "no object")
    return cast("dict[str, Any]", content)


def _damaged(path: Path, why: object) -> EmbeddedError:
    return EmbeddedError(f"{path} is damaged ({why}). Remove it and start again.")

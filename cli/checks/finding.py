"""What a check is and what it finds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cli.embedded.placement import EmbeddedError
from cli.embedded.processes import find
from cli.embedded.state import MeshRecord, StateDirectory


class Severity(StrEnum):
    """How bad it is; only `wrong` makes the doctor fail."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        mend: What to do about it; empty when nothing has to be done.
    """

    subject: str
    severity: Severity
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: a state directory, an environment, the ports a mesh would take."""

    state: StateDirectory
    environment: Mapping[str, str]
    ports: Mapping[str, int]

    def find_mesh(self) -> MeshRecord | None:
        """Return the mesh that runs here, as far as this account may know."""
        try:
            return self.state.find_mesh() if self.state.is_held() else None
        except (OSError, EmbeddedError):
            return None

    def find_processes(self) -> Mapping[int, str]:
        """Return what lives of the mesh here, be it running or killed: names by process id."""
        try:
            mesh = self.state.find_mesh()
        except (OSError, EmbeddedError):
            return {}
        return {each.pid: each.name for each in mesh.processes if find(each)} if mesh else {}


Check = Callable[[Patient], Awaitable[Sequence[Finding]]]


def fine(subject: str, detail: str) -> Finding:
    return Finding(subject, Severity.FINE, detail)


def note(subject: str, detail: str, mend: str = "") -> Finding:
    return Finding(subject, Severity.NOTE, detail, mend)


def wrong(subject: str, detail: str, mend: str) -> Finding:
    return Finding(subject, Severity.WRONG, detail, mend)

"""What engines whisper to each other over PostgreSQL NOTIFY: that there is news, never the news.

A hint that gets lost costs a poll's delay, nothing else. All kinds share one channel, so that an
engine listens with one connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CHANNEL = "flowloom_engine"
NOTIFY = f"SELECT pg_notify('{CHANNEL}', %(hint)s)"
_LONGEST = 7_000  # PostgreSQL takes payloads below 8,000 bytes


class HintKind(StrEnum):
    """What a hint is about."""

    NEWS = "news"
    """Events of these runs were committed; the origin's own followers know already."""
    WORK = "work"
    """There is a task to claim."""
    SIGNAL = "signal"
    """An answer came for these runs."""
    CANCEL = "cancel"
    """These runs were cancelled; whoever executes one stops."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: who sends it (an engine's worker name, or nobody) and which runs it is about."""

    kind: HintKind
    origin: str = "-"
    run_ids: Sequence[str] = ()

    def payloads(self) -> list[str]:
        """The hint as notification payloads; several when the ids do not fit into one."""
        head = f"{self.kind} {self.origin} "
        payloads = [head]
        for run_id in self.run_ids:
            if len(payloads[-1]) + len(run_id) >= _LONGEST:
                payloads.append(head)
            payloads[-1] += f"{run_id},"
        return payloads


def parse(payload: str) -> Hint | None:
    """Read a payload; None for one that this version does not understand."""
    kind, _, rest = payload.partition(" ")
    origin, _, ids = rest.partition(" ")
    if kind not in set(HintKind):
        return None
    return Hint(HintKind(kind), origin, [run_id for run_id in ids.split(",") if run_id])

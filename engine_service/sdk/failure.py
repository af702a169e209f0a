"""How a node fails: `Failed` as what came of it, `NodeError` when raised from deep inside."""

from dataclasses import dataclass

_LONGEST_MESSAGE = 2_000


def brief(message: str) -> str:
    """A message that can be kept with a run and told with it in lists."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


@dataclass(frozen=True, slots=True)
class Failed:
    """The node could not do its work.

    Attributes:
        code: Stable, lower snake case; `settings.retry.on` compares with it.
        retryable: A repeat may help (and is not known to be unsafe).
        retry_after: Seconds the other side asked to wait, if it did.
        outcome_known: False when the effect may have happened although it looks failed (a time-out
            after sending); such a node is repeated only if that is safe.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None
    outcome_known: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", brief(self.message))


class NodeError(Exception):
    """A failure raised from deep inside a node; it becomes `Failed`."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure

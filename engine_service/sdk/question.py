"""What a waiting node puts to people, and how they are told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Notice:
    """How one person is told of a question, besides finding it in the list.

    Attributes:
        approver: Who is told; the link in it answers for them.
        channel: `email` or `slack`.
        recipient: Where to: an address, a channel, a member.
        every: Seconds between reminders; None reminds nobody.
        reminders: How many there are at most.
    """

    approver: str
    channel: str
    recipient: str
    every: float | None = None
    reminders: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What a waiting node puts to people; the engine makes an approval of it.

    Attributes:
        kind: `approval` wants a decision, `form` a form that is filled in.
        quorum: How many must say yes.
        first_rejection_decides: Otherwise it is a no once the quorum is out of reach.
    """

    title: str
    message: str = ""
    approvers: Sequence[str] = ()
    form_schema: JsonObject | None = None
    kind: str = "approval"
    quorum: int = 1
    first_rejection_decides: bool = True
    notices: Sequence[Notice] = ()

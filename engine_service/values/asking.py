"""What the parameters of nodes that ask people have in common: whom, how they are told, until when.

A node's filled parameters come in; what the engine is to ask goes out.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.question import Notice
from engine_service.values.forms import is_address
from shared.workflow import Item, JsonObject

TIMEOUT = "timeout"
MOST_SECONDS = 366 * 86_400
_SHORTEST_PAUSE = 60
_ALREADY_FILLED = "{{"


class Telling(BaseModel):
    """One way to tell people of the question; each message has a link of its own to answer by."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["email", "slack"] = Field(
        description="`email` takes a credential of the type smtp.account, `slack` of slack.token"
    )
    to: str = Field(
        default="",
        max_length=320,
        description="An e-mail address, or a Slack channel or member. Every approver who is an "
        "e-mail address, when empty; Slack needs it",
    )
    approver: str = Field(
        default="",
        max_length=320,
        description="For whom the link answers, when that is not `to` itself: whoever can read "
        "the message can answer for them",
    )


class AskingParameters(NodeParameters):
    """Whom to ask, how they are told, and how long."""

    title: str = Field(min_length=1, max_length=200, description="The question in a line")
    message: str = Field(
        default="", max_length=20_000, description="What there is to know for it, in Markdown"
    )
    approvers: list[str] = Field(
        default_factory=list[str],
        max_length=50,
        description="Who may answer: e-mail addresses or user ids, whatever their role; every "
        "operator, editor and owner when empty",
    )
    notify: list[Telling] = Field(
        default_factory=list[Telling],
        max_length=20,
        description="How people are told, besides finding the question in their list",
    )
    remind_every: float | None = Field(
        default=None,
        ge=_SHORTEST_PAUSE,
        le=MOST_SECONDS,
        description="Seconds after which those who have not answered are told again; nobody is "
        "reminded when not given",
    )
    reminders: int = Field(default=3, ge=1, le=50, description="How often at most")
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="Seconds after which the items leave by the port `timeout`; for ever when not "
        "given",
    )


def approvers_of(parameters: AskingParameters) -> tuple[str, ...]:
    """Who may answer, each once."""
    named = [name.strip() for name in parameters.approvers]
    return tuple({name.lower(): name for name in named if name}.values())


def notices_of(parameters: AskingParameters) -> list[Notice]:
    """Who is told how."""
    every = parameters.remind_every
    times = parameters.reminders if every is not None else 0
    found: dict[tuple[str, str, str], Notice] = {}
    for telling in parameters.notify:
        for approver, recipient in _whom(telling, approvers_of(parameters)):
            key = telling.by, approver.lower(), recipient.lower()
            found[key] = Notice(approver, telling.by, recipient, every, times)
    return list(found.values())


def ends_at(parameters: AskingParameters, now: datetime) -> datetime | None:
    """When it is too late to answer."""
    limit = parameters.timeout
    return None if limit is None else now + timedelta(seconds=limit)


def check_asking(parameters: AskingParameters) -> Iterator[tuple[str, str, str]]:
    """Findings for a node's `check`."""
    named = {name.strip().lower() for name in parameters.approvers}
    filled = not any(_ALREADY_FILLED in name for name in named)
    for index, telling in enumerate(parameters.notify):
        at = f"/notify/{index}"
        if telling.by == "slack" and not telling.to:
            yield f"{at}/to", "missing", "Say which channel or member of Slack."
        if telling.by == "email" and not telling.to and not named:
            yield f"{at}/to", "missing", "Name an address, or approvers."
        who = telling.approver or telling.to
        if who and named and filled and _ALREADY_FILLED not in who and who.lower() not in named:
            message = f"{who} is none of the approvers: say in `approver` for whom the link is."
            yield f"{at}/approver", "not_an_approver", message


def with_answer(items: Sequence[Item], name: str, answer: JsonObject) -> list[Item]:
    """The items with the answer in a field; one that holds only the answer when there were none."""
    if not items:
        return [{"json": {name: answer}}]
    return [
        {**item, "json": {**item["json"], name: answer}, "paired_item": index}
        for index, item in enumerate(items)
    ]


def _whom(telling: Telling, approvers: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of whom the link is for and where it goes."""
    if telling.to:
        return [(telling.approver or telling.to, telling.to)]
    return [(one, one) for one in approvers if is_address(one)]

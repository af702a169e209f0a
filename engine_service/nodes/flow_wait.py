"""`flow.wait`: lets time pass, or waits for a call."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
    Waiting,
)
from engine_service.values.field_types import NotOfType, convert, to_text
from shared.workflow import JsonObject

TIMEOUT = "timeout"
MOST_SECONDS = 366 * 86_400
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


class WaitParameters(NodeParameters):
    """For what, and how long."""

    mode: Literal["interval", "until", "callback"] = Field(
        default="interval",
        description="`interval` waits for some time, `until` for a moment, `callback` for a call "
        "to the run's callback address",
    )
    amount: float = Field(default=1, ge=0, description="In mode interval: how many units")
    unit: Literal["seconds", "minutes", "hours", "days"] = Field(
        default="hours", description="In mode interval: the unit of `amount`"
    )
    until: Any = Field(default=None, description="In mode until: the date and time")
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="In mode callback: seconds after which items leave by the port `timeout`; for "
        "ever when not given",
    )


class FlowWait(ActionNode[WaitParameters]):
    """Pauses the run, for seconds or for months. A waiting run costs nothing and survives restarts.

    - `interval`: goes on after `amount` `unit`.
    - `until`: goes on at a date and time (`2027-01-31T09:00`, in the workflow's time zone); at
      once if it is past.
    - `callback`: goes on when somebody calls the run's callback address; the output is one item
      with what the call brought. After `timeout` seconds the input leaves by the port `timeout`
      instead.

    Other branches of the run go on meanwhile.
    """

    Parameters = WaitParameters
    type = "flow.wait"
    title = "Wait"
    per_item = False
    effect = Effect.READ
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"amount": 30, "unit": "minutes"},
        {"mode": "until", "until": "{{ $json.due_at }}"},
        {"mode": "callback", "timeout": 86400},
    )
    keywords = (
        "wait", "delay", "pause", "sleep", "after", "later", "until", "remind", "callback",
        "等待", "延迟", "暂停", "之后", "稍后", "提醒",
    )  # fmt: skip

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        return (MAIN, TIMEOUT) if parameters.get("mode") == "callback" else (MAIN,)

    @classmethod
    def check(cls, parameters: WaitParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.mode == "until" and parameters.until is None:
            return [("/until", "missing", "Say until when.")]
        if parameters.amount * _SECONDS[parameters.unit] > MOST_SECONDS:
            return [("/amount", "too_long", "A wait of more than a year is too long.")]
        return []

    async def run(self, given: NodeInput[WaitParameters], services: Services) -> Outcome:
        del services
        parameters = given.parameters_for(0)
        resumed = given.resumption
        if resumed is not None:
            if parameters.mode != "callback":
                return Done({MAIN: given.items})
            if resumed.answer is None:
                return Done({TIMEOUT: given.items})
            return Done({MAIN: [{"json": resumed.answer, "paired_item": 0}]})
        return _pause(parameters, given)

    def plan(self, parameters: WaitParameters) -> str:
        match parameters.mode:
            case "interval":
                return f"Wait {to_text(parameters.amount)} {parameters.unit}"
            case "until":
                return f"Wait until {to_text(parameters.until)}"
            case "callback":
                return "Wait for a call"

    def sample(self, given: NodeInput[WaitParameters]) -> Done:
        if given.parameters_for(0).mode == "callback":
            called: JsonObject = {"method": "POST", "headers": {}, "query": {}, "body": {}}
            return Done({MAIN: [{"json": called, "paired_item": 0}]})
        return Done({MAIN: given.items})


def _pause(parameters: WaitParameters, given: NodeInput[WaitParameters]) -> Outcome:
    match parameters.mode:
        case "interval":
            seconds = min(parameters.amount * _SECONDS[parameters.unit], MOST_SECONDS)
            until = given.now + timedelta(seconds=seconds)
        case "until":
            try:
                until = convert(parameters.until, "date_time", zone=given.now.tzinfo or UTC)
            except NotOfType as error:
                return Failed("wrong_type", f"until: {error}")
            if until is None:
                return Failed("wrong_type", "until: expected a date and time but got null")
        case "callback":
            limit = parameters.timeout
            until = given.now + timedelta(seconds=limit) if limit is not None else None
            return Waiting(until, callback=True)
    return Done({MAIN: given.items}) if until <= given.now else Waiting(until)

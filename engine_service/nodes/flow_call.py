"""`flow.call`: runs another workflow, and goes on with what it gives."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Callee,
    ChildRun,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Offer,
    Outcome,
    Services,
    Waiting,
    Workflows,
)
from engine_service.sdk.run_input import items_of
from shared.workflow import Item, JsonObject

TIMEOUT = "timeout"
MOST_CHILDREN = 1_000
MOST_SECONDS = 366 * 86_400


class CallParameters(NodeParameters):
    """Which workflow, and with what."""

    workflow: str | JsonObject = Field(
        default="",
        description="Its id or its name; an expression may also give a definition, as an object",
    )
    definition: JsonObject | None = Field(
        default=None,
        description="The workflow itself, instead of `workflow`; its braces are its own",
    )
    mode: Literal["each", "once"] = Field(
        default="each",
        description="`each` calls it for every item by itself, `once` with all items together",
    )
    input: Any = Field(
        default=None,
        description="What it is given: an object, or a list of objects; in mode each the item, in "
        "mode once all items, when not given",
    )
    wait: bool = Field(
        default=True,
        description="Waits for its end and goes on with its output; else goes on at once with the "
        "ids of its runs",
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="Seconds after which this node cancels what it called, and its items leave by "
        "the port `timeout`; it waits for ever when not given",
    )


class FlowCall(ActionNode[CallParameters]):
    """Runs another workflow of yours and goes on with what it gives.

    What is called begins at its `trigger.workflow` (or else its `trigger.manual`), whose form is
    checked first. Its active version runs, or the latest one when none is active. Its runs are runs
    of their own, with this one as their parent; while this node waits for them it costs nothing.

    - `each`: a run for every item, side by side; the output is what they gave, in the items' order.
      An item whose run fails is a failing item (`on_error` says what becomes of it).
    - `once`: one run with all items.

    Attached to an `ai.agent` as a tool it takes what the form of its workflow asks for, unless
    `input` says what the model is to fill in (`$fromAI`). The agent waits for its end at no cost.

    Cancelling this run cancels what it waits for. With `wait` off the output is an item for each
    run: `{run_id, workflow_id}`; those runs go their own way. At most 16 calls stand inside each
    other.
    """

    Parameters = CallParameters
    type = "flow.call"
    title = "Call a workflow"
    effect = Effect.KEYED
    rehearses = True
    offers_tools = True
    verbatim = ("definition",)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"workflow": "Send an offer", "input": {"customer": "{{ $json.id }}"}, "timeout": 3600},
        {"workflow": "Nightly report", "mode": "once", "wait": False},
    )
    keywords = (
        "call", "sub-workflow", "subworkflow", "execute workflow", "run another workflow",
        "child workflow", "invoke",
        "调用", "子工作流", "执行工作流", "运行另一个工作流",
    )  # fmt: skip

    @classmethod
    def attaches_as(cls) -> tuple[str, ...]:
        return ("tool",)

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        return (MAIN, TIMEOUT) if parameters.get("timeout") is not None else (MAIN,)

    @classmethod
    def check(cls, parameters: CallParameters) -> Sequence[tuple[str, str, str]]:
        if not parameters.workflow and parameters.definition is None:
            return [("/workflow", "missing", "Say which workflow to call.")]
        if parameters.workflow and parameters.definition is not None:
            return [("/definition", "contradiction", "Name a workflow or write one, not both.")]
        return []

    async def run(self, given: NodeInput[CallParameters], services: Services) -> Outcome:
        parameters = given.parameters_for(0)
        if given.resumption is not None:
            return _ended_or_late(given, parameters, given.resumption.answer)
        if given.asked is not None:
            given = replace(given, inputs={MAIN: [{"json": given.asked.arguments}]})
        if parameters.mode == "each" and len(given.items) > MOST_CHILDREN:
            message = f"More than {MOST_CHILDREN} runs at once: put a flow.loop before this node."
            return Failed("too_many_items", message)
        children = [one async for one in _children(given, services.workflows)]
        if not children:
            return Done({MAIN: []})
        if parameters.wait:
            return Waiting(_until(parameters, given.now), children=children)
        started = [
            {
                "json": {
                    "run_id": await services.workflows.start(child, str(index)),
                    "workflow_id": child.callee.workflow_id,
                },
                "paired_item": index,
            }
            for index, child in enumerate(children)
        ]
        return Done({MAIN: started})

    async def offers(self, parameters: CallParameters, services: Services) -> Sequence[Offer]:
        callee = await _find(parameters.definition or parameters.workflow, services.workflows)
        form = services.workflows.form(callee) or {"type": "object", "properties": {}}
        return [
            Offer(
                "",
                f"Runs the workflow {callee.name!r} and gives its result.",
                form,
                repeatable=True,
            )
        ]

    def plan(self, parameters: CallParameters) -> str:
        name = parameters.workflow if isinstance(parameters.workflow, str) else ""
        return f"Call the workflow {name}" if name else "Call a workflow that is written out"

    def sample(self, given: NodeInput[CallParameters]) -> Done:
        return Done({MAIN: given.items})


async def _children(
    given: NodeInput[CallParameters], workflows: Workflows
) -> AsyncIterator[ChildRun]:
    """The runs to begin: one for each item, or one for all."""
    known: dict[str, Callee] = {}
    for index, items in _portions(given):
        parameters = given.parameters_for(index)
        what = parameters.definition or parameters.workflow
        key = what if isinstance(what, str) else repr(what)
        if key not in known:
            known[key] = await _find(what, workflows)
        yield workflows.child(known[key], items)


async def _find(what: str | JsonObject, workflows: Workflows) -> Callee:
    return await (workflows.find(what) if isinstance(what, str) else workflows.compose(what))


def _portions(given: NodeInput[CallParameters]) -> Iterator[tuple[int, list[Item]]]:
    if not given.items:
        return
    each = given.parameters_for(0).mode == "each"
    for index in range(len(given.items) if each else 1):
        stated = given.parameters_for(index).input
        if stated is not None:
            yield index, items_of(stated)
        else:
            passed = given.items[index : index + 1] if each else given.items
            yield index, [{k: v for k, v in item.items() if k != "paired_item"} for item in passed]


def _until(parameters: CallParameters, now: datetime) -> datetime | None:
    return now + timedelta(seconds=parameters.timeout) if parameters.timeout else None


def _ended_or_late(
    given: NodeInput[CallParameters], parameters: CallParameters, answer: JsonObject | None
) -> Outcome:
    """What becomes of a wait; a model is told that time ran out, others leave by their port."""
    if answer is not None:
        return _ended(parameters, answer)
    if given.asked is not None:
        message = f"The workflow did not end within {parameters.timeout:g} seconds."
        return Failed("timeout", message)
    return Done({TIMEOUT: given.items})


def _ended(parameters: CallParameters, answer: JsonObject) -> Outcome:
    """What has become of the runs that were waited for."""
    ends = cast("list[JsonObject]", answer["children"])
    if parameters.mode == "once":
        [end] = ends
        code, message = _error(end)
        return Failed(code, message) if code else Done({MAIN: _output(end)})
    outputs: list[Item] = []
    failures: list[ItemFailure] = []
    for index, end in enumerate(ends):
        code, message = _error(end)
        if code:
            failures.append(ItemFailure(index, code, message))
        else:
            outputs += [{**item, "paired_item": index} for item in _output(end)]
    return Done({MAIN: outputs}, failures)


def _output(end: Mapping[str, Any]) -> list[Item]:
    output = end.get("output")
    return [] if output is None else items_of(output)


def _error(end: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of a run that has not ended well; empty for one that has."""
    if end["status"] == "completed":
        return "", ""
    error = cast("JsonObject", end.get("error") or {})
    if end["status"] == "cancelled":
        return "call_cancelled", "The run that was called was cancelled."
    return str(error.get("code", "failed")), str(error.get("message", "It failed."))

"""What the nodes that run an author's code have in common: parameters, scope, outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from engine_service.code.results import CodeError, LogLine, Mode, SandboxResult
from engine_service.expressions import Scope
from engine_service.sdk.node import MAIN, Done, Failed, NodeInput, NodeParameters, Outcome, Services
from engine_service.v8.pool import Limits
from shared.errors import AppError
from shared.workflow import Item

Run = Callable[[str, Mode, Scope, Limits], Awaitable[SandboxResult]]


class CodeParameters(NodeParameters):
    """The code, and what it may take."""

    code: str = Field(
        min_length=1, max_length=100_000, description="The body of a function that returns items"
    )
    mode: Literal["all_items", "each_item"] = Field(
        default="all_items",
        description="`all_items` runs once and returns a list, `each_item` runs for every item "
        "and returns one",
    )
    timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds it may run")
    memory: int = Field(default=128, ge=16, le=512, description="Megabytes it may use")


async def run_code(run: Run, given: NodeInput[Any], services: Services) -> Outcome:
    """Run a node's code; what it printed goes to the run's log, whatever came of it."""
    parameters: CodeParameters = given.parameters_for(0)
    limits = Limits(parameters.timeout, parameters.memory)
    try:
        result = await run(parameters.code, Mode(parameters.mode), _scope(given), limits)
    except CodeError as error:
        await _write(error.logs, services)
        return Failed(error.code.lower(), error.message)
    except AppError as error:
        return Failed(error.code.lower(), error.message, error.retryable)
    await _write(result.logs, services)
    return Done({MAIN: result.items})


def unchanged(given: NodeInput[Any]) -> Done:
    """The items as they came, for a simulation."""
    items: list[Item] = [{**item, "paired_item": index} for index, item in enumerate(given.items)]
    return Done({MAIN: items})


def count_lines(code: str) -> str:
    """`1 line`, `2 lines`."""
    lines = len(code.splitlines())
    return f"{lines} line{'' if lines == 1 else 's'}"


def _scope(given: NodeInput[Any]) -> Scope:
    """What the code sees: what this node's expressions see, or at least its own input."""
    if given.scope is not None:
        return replace(given.scope(), items=given.items)
    return Scope(items=given.items, now=given.now, zone=str(given.now.tzinfo), run=dict(given.run))


async def _write(lines: tuple[LogLine, ...] | list[LogLine], services: Services) -> None:
    for line in lines:
        await services.log(line.level, line.text)

"""`code.javascript`: runs an author's code."""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from engine_service.expressions import Scope
from engine_service.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.sandbox import CodeError, LogLine, Mode, Sandbox
from engine_service.v8.pool import Limits
from shared.errors import AppError
from shared.workflow import Item, JsonObject


class CodeParameters(NodeParameters):
    """The code, and what it may take."""

    code: str = Field(
        min_length=1,
        max_length=100_000,
        description="The body of a function that returns items; it may `await`",
    )
    mode: Literal["all_items", "each_item"] = Field(
        default="all_items",
        description="`all_items` runs once and returns a list, `each_item` runs for every item "
        "and returns one",
    )
    timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds it may run")
    memory: int = Field(default=128, ge=16, le=512, description="Megabytes it may use")


class CodeJavascript(ActionNode[CodeParameters]):
    """Runs JavaScript over the items, in a process of its own.

    The code is the body of a function and must `return`:

    - `all_items`: once, with `$input.all()`; returns a list of objects (or of items, `{json: …}`).
    - `each_item`: for each item, with `$json`; returns an object, or nothing to drop the item.

    It sees what expressions see: `$json`, `$input`, `$('Node')`, `$now`, Luxon's `DateTime`,
    `$jmespath`. There is no file, network, process or module to reach. What it writes to the
    console is in the run's log. Over its limits of time and memory it is ended, and the node
    fails. Since it can touch nothing, a simulation runs it for real.

    Example: `return $input.all().filter(item => item.json.total > 100)`.
    """

    Parameters = CodeParameters
    type = "code.javascript"
    title = "Run JavaScript"
    per_item = False
    verbatim = ("code",)
    effect = Effect.PURE
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"code": "return $input.all().map(item => ({ total: item.json.price * 2 }));"},
        {"mode": "each_item", "code": "return { ...$json, name: $json.name.trim() };"},
    )
    keywords = (
        "code", "javascript", "js", "script", "function", "program", "custom", "transform",
        "calculate", "compute", "代码", "脚本", "函数", "自定义", "计算",
    )  # fmt: skip

    async def run(self, given: NodeInput[CodeParameters], services: Services) -> Outcome:
        parameters = given.parameters_for(0)
        sandbox: Sandbox = services.sandbox
        limits = Limits(parameters.timeout, parameters.memory)
        try:
            result = await sandbox.run(
                parameters.code, Mode(parameters.mode), _scope(given), limits
            )
        except CodeError as error:
            await _write(error.logs, services)
            return Failed(error.code.lower(), error.message)
        except AppError as error:
            return Failed(error.code.lower(), error.message, error.retryable)
        await _write(result.logs, services)
        return Done({MAIN: result.items})

    def plan(self, parameters: CodeParameters) -> str:
        lines = len(parameters.code.splitlines())
        return f"Run {lines} line{'' if lines == 1 else 's'} of JavaScript"

    def sample(self, given: NodeInput[CodeParameters]) -> Done:
        unchanged: list[Item] = [
            {**item, "paired_item": index} for index, item in enumerate(given.items)
        ]
        return Done({MAIN: unchanged})


def _scope(given: NodeInput[CodeParameters]) -> Scope:
    """What the code sees: what this node's expressions see, or at least its own input."""
    if given.scope is not None:
        return replace(given.scope(), items=given.items)
    return Scope(items=given.items, now=given.now, zone=str(given.now.tzinfo), run=dict(given.run))


async def _write(lines: tuple[LogLine, ...] | list[LogLine], services: Services) -> None:
    for line in lines:
        await services.log(line.level, line.text)

"""`code.javascript`: runs an author's code."""

from typing import ClassVar

from engine_service.code.authoring import CodeParameters, count_lines, run_code, unchanged
from engine_service.code.sandbox import Sandbox
from engine_service.sdk.node import ActionNode, Done, Effect, NodeInput, Outcome, Services
from shared.workflow import JsonObject


class CodeJavascript(ActionNode[CodeParameters]):
    """Runs JavaScript over the items, in a process of its own.

    The code is the body of a function, which may `await`, and must `return`:

    - `all_items`: once, with `$input.all()`; returns a list of objects (or of items, `{json: …}`).
    - `each_item`: for each item, with `$json`; returns an object, or nothing to drop the item.

    It sees what expressions see: `$json`, `$input`, `$('Node')`, `$now`, Luxon's `DateTime`,
    `$jmespath`, and a `Buffer` like Node's. There is no file, network, process or module to reach.
    What it writes to the console is in the run's log. Over its limits of time and memory it is
    ended, and the node fails. Since it can touch nothing, a simulation runs it for real.

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
        sandbox: Sandbox = services.sandbox
        return await run_code(sandbox.run, given, services)

    def plan(self, parameters: CodeParameters) -> str:
        return f"Run {count_lines(parameters.code)} of JavaScript"

    def sample(self, given: NodeInput[CodeParameters]) -> Done:
        return unchanged(given)

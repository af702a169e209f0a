"""`code.python`: runs an author's code."""

from typing import ClassVar

from engine_service.code.authoring import CodeParameters, count_lines, run_code, unchanged
from engine_service.code.sandbox import Sandbox
from engine_service.sdk.node import ActionNode, Done, Effect, NodeInput, Outcome, Services
from shared.workflow import JsonObject


class CodePython(ActionNode[CodeParameters]):
    """Runs Python over the items, in a process of its own.

    The code is the body of a function and must `return`:

    - `all_items`: once, with `_items`; returns a list of dicts (or of items, `{"json": …}`).
    - `each_item`: for each item, with `_item` and `_json`; returns a dict, or nothing to drop the
      item.

    It also sees `_input.all()`, `.first()`, `.last()` and `.item`, `_("Node").all()` and its kin,
    `_node["Node"]["json"]`, `_itemIndex`, `_now`, `_today`, `_vars`, `_env`, `_execution` and
    `_workflow`. Items are dicts: `item["json"]["name"]`.

    The language is a part of Python 3: functions, classes, comprehensions, `match`, f-strings,
    `async`; without generators, inheritance and decorated methods. It may import asyncio, base64,
    collections, copy, datetime, decimal, functools, hashlib, itertools, json, math, random, re,
    time and typing. There is no file, network or process to reach. What it prints is in the run's
    log. Over its limits of time and memory it is ended, and the node fails. Since it can touch
    nothing, a simulation runs it for real.

    Example: `return [item for item in _items if item["json"]["total"] > 100]`.
    """

    Parameters = CodeParameters
    type = "code.python"
    title = "Run Python"
    per_item = False
    verbatim = ("code",)
    effect = Effect.PURE
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"code": 'return [{"total": item["json"]["price"] * 2} for item in _items]'},
        {"mode": "each_item", "code": 'return {**_json, "name": _json["name"].strip()}'},
    )
    keywords = (
        "code", "python", "py", "script", "function", "program", "custom", "transform",
        "calculate", "compute", "代码", "脚本", "函数", "自定义", "计算",
    )  # fmt: skip

    async def run(self, given: NodeInput[CodeParameters], services: Services) -> Outcome:
        sandbox: Sandbox = services.sandbox
        return await run_code(sandbox.run_python, given, services)

    def plan(self, parameters: CodeParameters) -> str:
        return f"Run {count_lines(parameters.code)} of Python"

    def sample(self, given: NodeInput[CodeParameters]) -> Done:
        return unchanged(given)

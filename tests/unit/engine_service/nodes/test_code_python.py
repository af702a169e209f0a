"""`code.python` in real worker processes."""

from collections.abc import AsyncIterator

import pytest

from engine_service.code.sandbox import Sandbox
from engine_service.nodes.code_python import CodePython
from engine_service.sdk.node import Failed, Outcome
from shared.workflow import JsonObject
from tests.support.run_node import Watched, given, items, jsons, run_action, services


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(workers=1)
    yield made
    await made.close()


async def run(
    sandbox: Sandbox, parameters: JsonObject, *objects: JsonObject, watched: Watched | None = None
) -> Outcome:
    what = given(CodePython, parameters, items(*objects))
    return await run_action(CodePython, what, services(sandbox=sandbox, watched=watched))


async def test_code_sees_all_items_and_returns_new_ones(sandbox: Sandbox) -> None:
    code = "return [{'n': item['json']['n'] * 2} for item in _items]"
    assert jsons(await run(sandbox, {"code": code}, {"n": 1}, {"n": 2})) == [{"n": 2}, {"n": 4}]


async def test_code_runs_for_each_item(sandbox: Sandbox) -> None:
    code = "return {**_json, 'big': True} if _json['n'] > 1 else None"
    outcome = await run(sandbox, {"code": code, "mode": "each_item"}, {"n": 1}, {"n": 2})
    assert jsons(outcome) == [{"n": 2, "big": True}]


async def test_what_is_printed_is_in_the_log_whatever_comes(sandbox: Sandbox) -> None:
    watched = Watched()
    outcome = await run(sandbox, {"code": "print('before')\nnope()"}, {}, watched=watched)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("code_failed", False)
    assert "line 2" in outcome.message
    assert watched.lines == [("info", "before")]


async def test_limits_are_the_author_s(sandbox: Sandbox) -> None:
    outcome = await run(sandbox, {"code": "while True: pass", "timeout": 0.2}, {})
    assert isinstance(outcome, Failed)
    assert outcome.code == "code_timeout"
    outcome = await run(sandbox, {"code": "return {'a': 'x' * 10 ** 8}", "memory": 16}, {})
    assert isinstance(outcome, Failed)
    assert outcome.code == "code_memory"

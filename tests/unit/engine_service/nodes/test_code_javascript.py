"""`code.javascript` in real worker processes."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Scope, compile_parameters
from engine_service.nodes.code_javascript import CodeJavascript
from engine_service.sdk.node import Failed, Outcome
from shared.workflow import JsonObject
from tests.support.run_node import NOW, Watched, given, items, jsons, run_action, services


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(workers=1)
    yield made
    await made.close()


async def run(
    sandbox: Sandbox,
    code: str,
    *objects: JsonObject,
    watched: Watched | None = None,
    **more: object,
) -> Outcome:
    what = given(CodeJavascript, {"code": code, **more}, items(*objects))
    return await run_action(CodeJavascript, what, services(sandbox=sandbox, watched=watched))


async def test_code_sees_all_items_and_returns_new_ones(sandbox: Sandbox) -> None:
    code = "return $input.all().map(item => ({ n: item.json.n * 2 }))"
    assert jsons(await run(sandbox, code, {"n": 1}, {"n": 2})) == [{"n": 2}, {"n": 4}]


async def test_code_runs_for_each_item(sandbox: Sandbox) -> None:
    code = "return $json.n > 1 ? { ...$json, big: true } : null"
    outcome = await run(sandbox, code, {"n": 1}, {"n": 2}, mode="each_item")
    assert jsons(outcome) == [{"n": 2, "big": True}]


async def test_the_console_is_in_the_log(sandbox: Sandbox) -> None:
    watched = Watched()
    await run(sandbox, "console.log('a', 1); console.error('b'); return []", {}, watched=watched)
    assert watched.lines == [("info", "a 1"), ("error", "b")]


async def test_a_mistake_says_where(sandbox: Sandbox) -> None:
    watched = Watched()
    code = "console.log('before');\nnope();"
    outcome = await run(sandbox, code, {}, watched=watched)
    assert isinstance(outcome, Failed)
    assert outcome.code == "code_failed"
    assert "line 2" in outcome.message
    assert watched.lines == [("info", "before")]


@pytest.mark.parametrize(
    ("code", "more", "failure"),
    [
        ("return {", {}, "code_syntax"),
        ("return 1", {}, "code_result_invalid"),
        ("while (true) {}", {"timeout": 0.2}, "code_timeout"),
    ],
)
async def test_a_failure_is_classified(
    code: str, more: JsonObject, failure: str, sandbox: Sandbox
) -> None:
    outcome = await run(sandbox, code, {}, **more)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (failure, False)


def test_braces_in_the_code_are_its_own() -> None:
    parameters = {"code": "return [{ t: 'Hello {{name}}' }]", "timeout": "{{ 5 + 5 }}"}
    compiled = compile_parameters(parameters, CodeJavascript.verbatim)
    assert [slot.pointer for slot in compiled.slots] == ["/timeout"]
    [filled] = compiled.fill([[10]], Scope(items=[], now=NOW), (0,))
    assert filled == {**parameters, "timeout": 10}
    static = {"code": "return `{{a}}`"}
    assert compile_parameters(static, CodeJavascript.verbatim).is_static
    assert not compile_parameters(static).is_static


async def test_other_nodes_can_be_seen(sandbox: Sandbox) -> None:
    scope = Scope(items=items({}), now=NOW, nodes={"Start": items({"a": 1})})
    what = given(CodeJavascript, {"code": "return $('Start').all()"})
    what = replace(what, scope=lambda: scope)
    assert jsons(await run_action(CodeJavascript, what, services(sandbox=sandbox))) == [{"a": 1}]

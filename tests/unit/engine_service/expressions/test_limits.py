"""Limits: what an expression does to its worker is nobody else's business."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine_service.expressions import Evaluator, ExpressionError, compile_parameters
from shared.errors import Unavailable

from .conftest import scope_with


@pytest.fixture
async def strict() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator(timeout=1.0, memory_mb=64, workers=1)
    yield evaluator
    await evaluator.close()


async def code_of(evaluator: Evaluator, source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        await evaluator.resolve(compile_parameters(f"{{{{ {source} }}}}"), scope_with({}))
    return caught.value.code


async def works(evaluator: Evaluator) -> bool:
    return await evaluator.resolve(compile_parameters("{{ 1 + 1 }}"), scope_with({})) == [2]


async def test_what_is_nested_too_deeply_is_a_failure_of_the_expression(strict: Evaluator) -> None:
    deep = "(() => { let a = 1; for (let i = 0; i < 4000; i++) a = { a }; return a })()"
    assert await code_of(strict, deep) == "EXPRESSION_FAILED"
    assert await works(strict)


@pytest.mark.parametrize(
    "source",
    [
        "(() => { for (;;); })()",
        "/^(a+)+$/.test('a'.repeat(60) + 'b')",
        "10n ** 100000000n",
        # Loops inside V8 that nothing can interrupt:
        "[].includes.call({ length: 9007199254740991 }, 1)",
        "[].fill.call({ length: 9007199254740991 }, 0)",
        "Array.from({ length: 4294967295 }).length",
    ],
)
async def test_what_takes_too_long_ends(source: str, strict: Evaluator) -> None:
    # Some of these run out of memory first.
    assert await code_of(strict, source) in ("EXPRESSION_TIMEOUT", "EXPRESSION_MEMORY")
    assert await works(strict)


@pytest.mark.parametrize(
    "source",
    [
        "'x'.repeat(2 ** 29 - 30) + ''",
        "(() => { let a = [1]; for (;;) a = a.concat(a); })()",
        "'\\u0041\\u030a'.repeat(2 ** 26).normalize().length",
    ],
)
async def test_what_takes_too_much_memory_ends(source: str, strict: Evaluator) -> None:
    assert await code_of(strict, source) in ("EXPRESSION_MEMORY", "EXPRESSION_TIMEOUT")
    assert await works(strict)


@pytest.mark.parametrize(
    "source",
    [
        "(function f() { return f() + 1; })()",
        "'x'.repeat(-1)",
        "(() => { throw null; })()",
        "(() => { throw { get message() { throw 1; } }; })()",
        "({ toJSON() { throw new Error('no'); } })",
        "(() => { const o = {}; o.o = o; return o; })()",
        "Array.from({ length: 9 }, () => new Uint8Array(1e8).fill(1)).length",
        "Symbol('a') + ''",
        "null.x.y()",
        "undefined.toTitleCase()",
    ],
)
async def test_what_fails_fails_with_a_message(source: str, strict: Evaluator) -> None:
    compiled = compile_parameters(f"{{{{ {source} }}}}")
    found = (await strict.resolve_each(compiled, scope_with({})))[0]
    assert found is None or (isinstance(found, ExpressionError) and found.message)


async def test_expressions_run_side_by_side_and_one_that_hangs_stops_no_other() -> None:
    evaluator = Evaluator(timeout=1.0, workers=2)
    hanging = asyncio.ensure_future(code_of(evaluator, "(() => { for (;;); })()"))
    assert all([await works(evaluator) for _ in range(20)])
    assert not hanging.done()
    assert await hanging == "EXPRESSION_TIMEOUT"
    await evaluator.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_cancelling_kills_the_evaluation(strict: Evaluator) -> None:
    assert await works(strict)
    (pid,) = strict.worker_ids
    evaluation = asyncio.ensure_future(code_of(strict, "(() => { for (;;); })()"))
    await asyncio.sleep(0)
    evaluation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await evaluation
    await until(lambda: not is_running(pid))
    assert await works(strict)


async def test_a_worker_that_was_killed_is_replaced(strict: Evaluator) -> None:
    assert await works(strict)
    (pid,) = strict.worker_ids
    os.kill(pid, 9)
    await until(lambda: not is_running(pid))
    assert await works(strict)
    assert pid not in strict.worker_ids


async def test_an_idle_worker_ends() -> None:
    evaluator = Evaluator(idle_seconds=0.01)
    assert await works(evaluator)
    await until(lambda: not evaluator.worker_ids)
    assert await works(evaluator)
    await evaluator.close()


async def test_no_worker_starts_for_plain_paths_and_static_parameters() -> None:
    evaluator = Evaluator()
    scope = scope_with({"a": 1})
    assert await evaluator.resolve(compile_parameters({"x": "{{ $json.a }}"}), scope) == [{"x": 1}]
    assert await evaluator.resolve(compile_parameters({"x": 1}), scope) == [{"x": 1}]
    assert evaluator.worker_ids == []
    await evaluator.close()


async def test_a_closed_evaluator_says_so() -> None:
    evaluator = Evaluator()
    await evaluator.close()
    with pytest.raises(Unavailable):
        await evaluator.resolve(compile_parameters("{{ 1 + 1 }}"), scope_with({}))

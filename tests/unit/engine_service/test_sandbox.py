"""Authors' code in its sandbox: data in, items out, and nothing else, whatever it tries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from engine_service.code.sandbox import CodeError, LogLine, Mode, Sandbox
from engine_service.expressions import Scope
from engine_service.v8.pool import Limits

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)
SHORT = Limits(seconds=0.5, megabytes=64)
ROOMY = Limits(seconds=20.0, megabytes=64)
ITEMS: list[Any] = [{"json": {"n": 1, "l": [3, 1]}}, {"json": {"n": 2, "l": []}}]
SCOPE = Scope(
    items=ITEMS,
    now=NOW,
    zone="Europe/Berlin",
    nodes={"Before": [{"json": {"x": "a"}}, {"json": {"x": "b"}}]},
    pairs={"Before": [1, 0]},
    variables={"factor": 10},
)


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=2)
    yield sandbox
    await sandbox.close()


async def run(sandbox: Sandbox, code: str, mode: Mode = Mode.ALL_ITEMS) -> list[Any]:
    return (await sandbox.run(code, mode, SCOPE, ROOMY)).items


async def fails(
    sandbox: Sandbox, code: str, limits: Limits = ROOMY, mode: Mode = Mode.ALL_ITEMS
) -> CodeError:
    with pytest.raises(CodeError) as caught:
        await sandbox.run(code, mode, SCOPE, limits)
    return caught.value


@pytest.mark.parametrize(
    ("code", "jsons"),
    [
        ("return items", [item["json"] for item in ITEMS]),
        ("return $input.all().map(i => ({ t: i.json.l.sum() }))", [{"t": 4}, {"t": 0}]),
        ("return { a: $json.n * $vars.factor }", [{"a": 10}]),
        ("return [{ json: { b: $('Before').first().json.x } }]", [{"b": "a"}]),
        ("const items = 1; return { items }", [{"items": 1}]),
        (
            "return { day: $now.toFormat('cccc'), zone: DateTime.now().zoneName }",
            [{"day": "Sunday", "zone": "Europe/Berlin"}],
        ),
        ("return { later: await new Promise(r => setTimeout(() => r(7), 5)) }", [{"later": 7}]),
        ("class Point { constructor(x) { this.x = x } }; return [new Point(3)]", [{"x": 3}]),
        ("let n = 0; for (const i of items) { n += i.json.n } return { n } // done", [{"n": 3}]),
        ("return { a: Buffer.from('aGk=', 'base64').toString() }", [{"a": "hi"}]),
        ("return { a: Buffer.from('grüße').toString('base64url') }", [{"a": "Z3LDvMOfZQ"}]),
        (
            "return { a: Buffer.from('hi').toString('hex'), n: Buffer.byteLength('ü') }",
            [{"a": "6869", "n": 2}],
        ),
        (
            "return { b: Buffer.concat([Buffer.from([1]), Buffer.alloc(2, 'a')]) }",
            [{"b": {"type": "Buffer", "data": [1, 97, 97]}}],
        ),
        (
            "return { is: Buffer.isBuffer(Buffer.from('a')), eq: Buffer.from('a').equals([97]) }",
            [{"is": True, "eq": True}],
        ),
        (
            "return { a: atob(btoa('hi')), b: structuredClone({ c: [1] }) }",
            [{"a": "hi", "b": {"c": [1]}}],
        ),
        ("return []", list[Any]()),
    ],
)
async def test_code_runs_once_for_all_items(code: str, jsons: list[Any], sandbox: Sandbox) -> None:
    assert [item["json"] for item in await run(sandbox, code)] == jsons


@pytest.mark.parametrize(
    ("code", "jsons"),
    [
        ("return { n: $json.n * 2, at: $itemIndex }", [{"n": 2, "at": 0}, {"n": 4, "at": 1}]),
        ("return { json: { x: $('Before').item.json.x } }", [{"x": "b"}, {"x": "a"}]),
        ("return item", [item["json"] for item in ITEMS]),
    ],
)
async def test_code_runs_for_each_item_and_pairs_what_it_returns(
    code: str, jsons: list[Any], sandbox: Sandbox
) -> None:
    expected = [{"json": json, "paired_item": index} for index, json in enumerate(jsons)]
    assert await run(sandbox, code, Mode.EACH_ITEM) == expected


async def test_an_item_for_which_nothing_is_returned_is_dropped(sandbox: Sandbox) -> None:
    code = "if ($json.n === 2) return { ok: true }"
    assert await run(sandbox, code, Mode.EACH_ITEM) == [{"json": {"ok": True}, "paired_item": 1}]


async def test_the_console_is_captured_and_bounded(sandbox: Sandbox) -> None:
    code = "console.log('a', { b: 1 }); console.warn([1]); return []"
    result = await sandbox.run(code, Mode.ALL_ITEMS, SCOPE)
    assert result.logs == [LogLine("info", 'a {"b":1}'), LogLine("warning", "[1]")]
    code = "for (let i = 0; i < 1e5; i++) console.log('x'.repeat(1e4)); return []"
    result = await sandbox.run(code, Mode.ALL_ITEMS, SCOPE, ROOMY)
    assert sum(len(line.text) for line in result.logs) < 21_000
    assert len(result.logs) <= 201


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("return [", "CODE_SYNTAX", 1),
        ("const a = 1;\n\nmissing.call();\nreturn []", "CODE_FAILED", 3),
        ("throw new TypeError('no')", "CODE_FAILED", 1),
        ("throw 'text'", "CODE_FAILED", None),
        ("return 5", "CODE_RESULT_INVALID", None),
        (
            "let a = {}; for (let i = 0; i < 5000; i++) a = { a }; return [a]",
            "CODE_RESULT_INVALID",
            None,
        ),
        ("return", "CODE_RESULT_INVALID", None),
        ("return [1]", "CODE_RESULT_INVALID", None),
        ("return [{ json: 1 }]", "CODE_RESULT_INVALID", None),
        ("const o = {}; o.o = o; return [o]", "CODE_FAILED", None),
        ("return $('Nowhere').first()", "NODE_NOT_EXECUTED", None),
        ("JSON.parse = 1; this.x = 1; return [].flat.call(null)", "CODE_FAILED", 1),
    ],
)
async def test_a_failure_says_what_and_where(
    code: str, name: str, line: int | None, sandbox: Sandbox
) -> None:
    error = await fails(sandbox, f"{code}")
    assert (error.code, error.line) == (name, line)


async def test_a_failure_keeps_what_was_logged(sandbox: Sandbox) -> None:
    error = await fails(sandbox, "console.log('so far'); throw new Error('stop')")
    assert error.logs == (LogLine("info", "so far"),)


async def test_there_is_nothing_to_reach(sandbox: Sandbox) -> None:
    names = ["process", "require", "module", "fetch", "XMLHttpRequest", "Deno", "WebAssembly"]
    code = f"return {{ found: [{', '.join(f'typeof {name}' for name in names)}] }}"
    assert await run(sandbox, code) == [{"json": {"found": ["undefined"] * len(names)}}]
    error = await fails(sandbox, "await import('fs'); return []")
    assert error.code == "CODE_FAILED"


@pytest.mark.parametrize(
    "code",
    [
        "for (;;);",
        "await new Promise(() => {})",
        "[].includes.call({ length: 9007199254740991 }, 1)",
        "await (async function f() { await null; return f() })()",
        "Promise.prototype.then = () => 1; return []",
    ],
)
async def test_endless_code_ends(code: str, sandbox: Sandbox) -> None:
    assert (await fails(sandbox, code, SHORT)).code in ("CODE_TIMEOUT", "CODE_MEMORY")
    assert await run(sandbox, "return []") == []


@pytest.mark.parametrize(
    "code",
    [
        "const a = []; for (;;) a.push({})",
        "return { a: 'x'.repeat(2 ** 29 - 30) + '' }",
        "const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1))",
    ],
)
async def test_huge_allocations_end(code: str, sandbox: Sandbox) -> None:
    error = await fails(sandbox, code)
    assert error.code == "CODE_MEMORY" or "allocation failed" in error.message
    assert await run(sandbox, "return []") == []


@pytest.mark.parametrize(
    "code",
    [
        "Object.prototype.secret = 1; Array.prototype.map = null; return []",
        "globalThis.secret = 1; JSON.stringify = () => '{}'; return []",
        "Error.prepareStackTrace = () => { throw 1 }; throw new Error('x')",
        "Object.defineProperty(Object.prototype, 'json', { get() { return {} } }); return []",
        "String.prototype.slice = () => 'x'; console.log('a'); return []",
        "flowloom = () => '{}'; return []",
    ],
)
async def test_prototype_games_hurt_no_other_run(code: str, sandbox: Sandbox) -> None:
    with suppress(CodeError):
        await run(sandbox, code)
    probe = "return { a: ({}).secret ?? globalThis.secret ?? [1].map(x => x).length }"
    assert await run(sandbox, probe) == [{"json": {"a": 1}}]


@pytest.mark.parametrize(
    "code",
    [
        "setTimeout(function again() { setTimeout(again, 0) }, 0); return []",
        "setTimeout(() => { for (;;); }, 20); return []",
        "setTimeout(() => { [].includes.call({ length: 9007199254740991 }, 1) }, 20); return []",
    ],
)
async def test_what_a_run_leaves_behind_stops_no_other(code: str, sandbox: Sandbox) -> None:
    assert await run(sandbox, code) == []
    assert [await run(sandbox, "return []") for _ in range(3)] == [[], [], []]


async def test_one_run_that_hangs_stops_no_other(sandbox: Sandbox) -> None:
    hanging = asyncio.ensure_future(fails(sandbox, "for (;;);", Limits(2.0, 64)))
    assert [await run(sandbox, "return []") for _ in range(3)] == [[], [], []]
    assert not hanging.done()
    assert (await hanging).code == "CODE_TIMEOUT"


async def test_cancelling_ends_the_run(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await sandbox.run("for (;;);", Mode.ALL_ITEMS, SCOPE, Limits(30.0, 64))
    assert await run(sandbox, "return []") == []


async def test_code_may_not_be_endlessly_long(sandbox: Sandbox) -> None:
    assert (await fails(sandbox, "1;" * 100_000)).code == "CODE_TOO_LONG"

"""The realm in V8: both sides know the same names, and nothing in it can be changed.

Here sources go to the realm directly, past every check on the Python side: what holds must hold
for whoever gets that far.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine_service.expressions import names
from engine_service.expressions.assets import expression_realm
from engine_service.v8.pool import Limits, WorkerPool

FORMATTER = "__s.$now.loc.dtFormatter({}).dtf"
LIMITS = Limits(seconds=20.0, megabytes=64)
DATA: dict[str, Any] = {
    "now": 0,
    "zone": "Europe/Berlin",
    "items": [{"json": {"a": 1}}],
    "nodes": {},
    "extra": {},
}


@pytest.fixture(scope="module")
async def realm() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(expression_realm, size=1)
    yield pool
    await pool.close()


async def raw(realm: WorkerPool, source: str) -> Any:
    """What a function body comes to: its value, or `(code, message)` of its failure."""
    request: dict[str, Any] = {
        "scope": DATA,
        "slots": [{"source": source, "per_item": True, "owns": False}],
        "indexes": [0],
    }
    answer = await realm.evaluate(f"flowloom({json.dumps(json.dumps(request))})".encode(), LIMITS)
    cell = json.loads(answer)[0][0]
    return tuple(cell["e"]) if "e" in cell else cell["v"]


async def test_both_sides_know_the_same_helper_methods(realm: WorkerPool) -> None:
    assert set(await raw(realm, "return Object.keys(__x)")) == names.METHODS


async def test_both_sides_know_the_same_names(realm: WorkerPool) -> None:
    listed = "return Object.getOwnPropertyNames(Object.getPrototypeOf(__s))"
    internal = {"constructor", "extra", "itemsOf", "itemAt", "inert", "process"}
    assert set(await raw(realm, listed)) - internal == names.CODE_NAMES


async def test_both_sides_forbid_the_same_keys(realm: WorkerPool) -> None:
    tried = f"""return {json.dumps(sorted(names.FORBIDDEN_KEYS))}.filter((key) => {{
        try {{ __k(key); return true; }} catch {{ return false; }}
    }})"""
    assert await raw(realm, tried) == []
    assert await raw(realm, "return [__k('a'), __k(1), __k({ toString: () => 'b' })]") == [
        "a",
        1,
        "b",
    ]


async def test_the_methods_that_values_have_by_themselves_are_known(realm: WorkerPool) -> None:
    listed = """return [{}, [], "", 0, true, () => {}]
        .flatMap((value) => Object.getOwnPropertyNames(Object.getPrototypeOf(value)))"""
    others = {"length", "name"} | names.FORBIDDEN_KEYS
    assert set(await raw(realm, listed)) - others == names.NATIVE_METHODS


async def test_the_globals_that_are_allowed_exist(realm: WorkerPool) -> None:
    missing = f"return {json.dumps(sorted(names.GLOBAL_NAMES))}.filter((n) => !(n in globalThis))"
    assert await raw(realm, missing) == []


async def test_nothing_that_can_be_reached_can_be_changed(realm: WorkerPool) -> None:
    """Apart from what the walk itself made, and what those objects own."""
    found = await raw(realm, Path(__file__).with_name("reachable.js").read_text())
    own = {"", "[object Object]", "[object Generator]", "[object AsyncGenerator]", "[object Array]"}
    assert found["count"] > 1_000
    assert {name for name in found["open"] if name not in own} == set()


@pytest.mark.parametrize(
    ("hide", "find"),
    [
        ("globalThis.secret = 1", "return globalThis.secret"),
        ("secret = 1", "return typeof secret"),
        ("Object.prototype.secret = 1", "return ({}).secret"),
        ("Array.prototype.push.secret = 1", "return [].push.secret"),
        ("(function* () {}).constructor.prototype.secret = 1", "return (function* () {}).secret"),
        ("/(secret)/.test('secret')", "return RegExp.$1 ?? RegExp.lastMatch ?? RegExp.input"),
        ("Error.stackTraceLimit = 1", "return Error.stackTraceLimit === 1 ? 1 : undefined"),
        ("Error.prepareStackTrace = () => 1", "return new Error().stack === 1 ? 1 : undefined"),
        ("__s.$now.zone.secret = 1", "return __s.$now.zone.secret"),
        ("__s.$now.loc.secret = 1", "return __s.$now.loc.secret"),
        ("__s.DateTime.secret = 1", "return __s.DateTime.secret"),
        ("__s.DateTime.prototype.toISO = () => 1", "return __s.$now.toISO() === 1 ? 1 : undefined"),
        (f"{FORMATTER}.secret = 1", f"return {FORMATTER}.secret"),
        ("Date.now = () => 1", "return Date.now() === 1 ? 1 : undefined"),
        ("__TimerManager = 1", "return typeof __TimerManager"),
        ("setTimeout(() => 1, 1)", "return typeof setTimeout"),
        ("Promise.resolve().then(() => 1)", "return typeof Promise"),
        ("__s.$json.secret = 1", "return __s.$json.secret"),
        ("__s.inert.secret = 1", "return __s.inert.secret"),
        ("__x.secret = 1", "return __x.secret"),
        ("((s) => s)`x`.secret = 1", "return ((s) => s)`x`.secret"),
        ("Intl.NumberFormat.prototype.secret = 1", "return new Intl.NumberFormat().secret"),
        ("flowloom.secret = 1", "return flowloom.secret"),
        ("JSON.stringify = () => 'null'", "return JSON.stringify(1) === '1' ? undefined : 1"),
        ("this.secret = 1", "return this.secret"),
    ],
)
async def test_nothing_remains_for_the_next_batch(hide: str, find: str, realm: WorkerPool) -> None:
    await raw(realm, hide)
    assert await raw(realm, find) in (None, "undefined")


@pytest.mark.parametrize(
    "source",
    [
        "return (() => {}).constructor('return 1')()",
        "return Object.getPrototypeOf(async function () {}).constructor",
        "return Object.getPrototypeOf(function* () {}).constructor",
        "return eval('1')",
        "return Function('return 1')()",
        "return WebAssembly",
        "return Atomics.wait",
        "return __s.$now.constructor.constructor('return 1')()",
        "return ({}).__proto__",
        "return ({}).__lookupGetter__",
        "return RegExp.prototype.compile",
    ],
)
async def test_no_text_becomes_code(source: str, realm: WorkerPool) -> None:
    found = await raw(realm, source)
    assert found is None or found[0] == "EXPRESSION_FAILED"


async def test_objects_may_still_have_names_of_their_own(realm: WorkerPool) -> None:
    source = """
      class Refused extends Error { constructor(text) { super(text); this.name = "Refused"; } }
      const thing = {}; thing.toString = () => "thing";
      const error = new Refused("no"); error.message = "never";
      return [`${thing}`, `${error}`, Object.keys(thing)];
    """
    assert await raw(realm, source) == ["thing", "Refused: never", ["toString"]]


async def test_time_is_the_batch_s(realm: WorkerPool) -> None:
    source = "return [Date.now(), new Date(), __s.$now, __s.DateTime.now().toMillis()]"
    moments = [0, "1970-01-01T00:00:00.000Z", "1970-01-01T01:00:00.000+01:00", 0]
    assert await raw(realm, source) == moments
    assert await raw(realm, "return new Date(5).valueOf()") == 5

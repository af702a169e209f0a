"""Authors' Python in its workers: data in, items out, and nothing else, whatever it tries."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from engine_service.code.python_rules import read_python
from engine_service.code.results import CodeError, LogLine, Mode
from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Scope
from engine_service.v8.pool import Limits

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)
SHORT = Limits(seconds=0.3, megabytes=64)
ROOMY = Limits(seconds=20.0, megabytes=64)
SCOPE = Scope(
    items=[{"json": {"n": 1, "l": [3, 1]}}, {"json": {"n": 2, "l": []}}],
    now=NOW,
    nodes={"Before": [{"json": {"x": "a"}}, {"json": {"x": "b"}}]},
    pairs={"Before": [1, 0]},
    variables={"factor": 10},
    run={"id": "run_1"},
    parameters={"Before": {"size": 3}},
)


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=2)
    yield sandbox
    await sandbox.close()


async def run(sandbox: Sandbox, code: str, mode: Mode = Mode.ALL_ITEMS) -> list[Any]:
    return (await sandbox.run_python(code, mode, SCOPE, ROOMY)).items


async def fails(sandbox: Sandbox, code: str, limits: Limits = ROOMY) -> CodeError:
    with pytest.raises(CodeError) as caught:
        await sandbox.run_python(code, Mode.ALL_ITEMS, SCOPE, limits)
    return caught.value


@pytest.mark.parametrize(
    ("code", "jsons"),
    [
        ("return _items[:1]", [{"n": 1, "l": [3, 1]}]),
        ("return [{'t': sum(i['json']['l'])} for i in _input.all()]", [{"t": 4}, {"t": 0}]),
        ("return {'a': _json['n'] * _vars['factor']}", [{"a": 10}]),
        ("return {'a': _input.first()['json']['n'] + _input.last()['json']['n']}", [{"a": 3}]),
        ("return _('Before').all()", [{"x": "a"}, {"x": "b"}]),
        ("return [_('Before').item['json'], _node['Before']['json']]", [{"x": "b"}] * 2),
        ("return {'size': _('Before').params['size'], 'run': _execution['id']}",
         [{"size": 3, "run": "run_1"}]),
        ("name = 'Before'\nreturn _(name).first()", [{"x": "a"}]),
        ("return {'at': _now, 'day': _today.isoformat()}",
         [{"at": "2026-03-29T10:30:00+00:00", "day": "2026-03-29T00:00:00+00:00"}]),
        ("import json, re as r\nreturn {'a': json.loads('[1]'), 'b': bool(r.match('a', 'ab'))}",
         [{"a": [1], "b": True}]),
        ("for item in _items:\n  item['json']['m'] = 1\nreturn [_items[0]]",
         [{"n": 1, "l": [3, 1], "m": 1}]),
        ("from decimal import Decimal as D\nreturn {'s': {2}, 't': (1, None), 'd': D('1.5'), 7: 0}",
         [{"s": [2], "t": [1, None], "d": 1.5, "7": 0}]),
        ("return {'a': float('nan'), 'b': 10 ** 20}", [{"a": None, "b": 10**20}]),
        ("class A:\n  def __init__(self, x): self.x = x\nreturn {'x': A(4).x}", [{"x": 4}]),
        ("async def f(): return 3\nreturn {'x': await f()}", [{"x": 3}]),
        ("return []", list[Any]()),
    ],
)  # fmt: skip
async def test_code_runs_once_for_all_items(code: str, jsons: list[Any], sandbox: Sandbox) -> None:
    assert [item["json"] for item in await run(sandbox, code)] == jsons


async def test_code_runs_for_each_item_and_pairs_what_it_returns(sandbox: Sandbox) -> None:
    code = (
        "return {'n': _item['json']['n'] * 2, 'at': _itemIndex, 'x': _('Before').item['json']['x']}"
    )
    assert await run(sandbox, code, Mode.EACH_ITEM) == [
        {"json": {"n": 2, "at": 0, "x": "b"}, "paired_item": 0},
        {"json": {"n": 4, "at": 1, "x": "a"}, "paired_item": 1},
    ]
    code = "if _json['n'] == 2:\n  return {'ok': _input.item == _item}"
    assert await run(sandbox, code, Mode.EACH_ITEM) == [{"json": {"ok": True}, "paired_item": 1}]


async def test_what_is_printed_is_captured_and_bounded(sandbox: Sandbox) -> None:
    result = await sandbox.run_python("print('a', {'b': 1})\nreturn []", Mode.ALL_ITEMS, SCOPE)
    assert result.logs == [LogLine("info", "a {'b': 1}")]
    code = "for i in range(500): print('x' * 100)\nreturn []"
    result = await sandbox.run_python(code, Mode.ALL_ITEMS, SCOPE, ROOMY)
    assert sum(len(line.text) for line in result.logs) < 21_000
    error = await fails(sandbox, "for i in range(10 ** 6): print('x', i)")
    assert "printed more than" in error.message
    assert error.logs[0].text.startswith("x 0")


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("return [", "CODE_SYNTAX", 1),
        ("a = 1\n\nmissing()\nreturn []", "CODE_FAILED", 3),
        ("def f():\n  return 1 / 0\nf()", "CODE_FAILED", 2),
        ("raise ValueError('no')", "CODE_FAILED", 1),
        ("def g():\n  yield 1", "CODE_SYNTAX", 2),
        ("return _('Nowhere').first()", "CODE_FAILED", 1),
        ("import os", "CODE_FORBIDDEN", 1),
        ("\nreturn ().__class__", "CODE_FORBIDDEN", 2),
        ("return 5", "CODE_RESULT_INVALID", None),
        ("return [1]", "CODE_RESULT_INVALID", None),
        ("x = 1", "CODE_RESULT_INVALID", None),
        ("return {'a': b'x'}", "CODE_RESULT_INVALID", None),
        ("return {(1, 2): 3}", "CODE_RESULT_INVALID", None),
        ("1;" * 100_000, "CODE_TOO_LONG", None),
        ("x = " + "-" * 90_000 + "1", "CODE_SYNTAX", None),
    ],
)
async def test_a_failure_says_what_and_where(
    code: str, name: str, line: int | None, sandbox: Sandbox
) -> None:
    error = await fails(sandbox, code)
    assert (error.code, error.line) == (name, line)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("while True: pass", "CODE_TIMEOUT"),
        ("while True:\n  try:\n    while True: pass\n  except BaseException: pass", "CODE_TIMEOUT"),
        ("import time\ntime.sleep(60)", "CODE_TIMEOUT"),
        ("a = [1]\nfor _i in range(60): a = [a, a]\nreturn {'a': str(a)}", "CODE_TIMEOUT"),
        ("a = []\nwhile True: a.append('x' * 10 ** 6)", "CODE_MEMORY"),
        ("return {'a': 'x' * 10 ** 10}", "CODE_MEMORY"),
        ("return {'a': len(2 ** 10 ** 10)}", "CODE_MEMORY"),
        ("def f(n): return f(n + 1)\nreturn f(0)", "CODE_FAILED"),
        ("import asyncio\nasync def f(): return await f()\nreturn await f()", "CODE_FAILED"),
        ("import re\nreturn {'a': bool(re.match('(a+)+$', 'a' * 40 + 'b'))}", ""),
        ("return {'a': open('/etc/passwd').read()}", "CODE_FAILED"),
        ("return {'a': eval('1')}", ""),
        ("return {'a': globals()}", "CODE_FAILED"),
    ],
)
async def test_whatever_it_tries_ends_in_time_and_hurts_no_other(
    code: str, name: str, sandbox: Sandbox
) -> None:
    began = time.monotonic()
    failing = sandbox.run_python(code, Mode.ALL_ITEMS, SCOPE, SHORT)
    outcome, other = await asyncio.gather(
        failing, run(sandbox, "return {'fine': True}"), return_exceptions=True
    )
    assert getattr(outcome, "code", "") == name
    assert other == [{"json": {"fine": True}}]
    assert time.monotonic() - began < 5.0


async def test_nothing_is_left_for_the_next_run(sandbox: Sandbox) -> None:
    await run(sandbox, "global secret\nsecret = 1\nreturn []")
    assert "is not defined" in (await fails(sandbox, "return {'a': secret}")).message


async def test_cancelling_ends_the_run(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await sandbox.run_python("while True: pass", Mode.ALL_ITEMS, SCOPE, ROOMY)
    assert await run(sandbox, "return []") == []


@pytest.mark.parametrize(
    "code",
    [
        "from . import a", "import os.path", "import json as __spec__", "x.f_globals",
        "x.__class__",
        "x._A__b", "getter = t.format_map", "'{.__class__}'.format(x)",
        "'{0:{1.__x__}}'.format(1, x)",
        "try: pass\nexcept E as __builtins__: pass", "def f(*__loader__): pass",
        "global __globals__",
        "class __name__: pass", "lambda *, __spec__: 0", "__import__('os')", "__import__(name)",
        "match e:\n  case E(x): pass", "match e:\n  case E(__traceback__=t): pass",
    ],
)  # fmt: skip
def test_what_leads_inside_is_refused_in_words(code: str) -> None:
    with pytest.raises(CodeError, match=r"\(line \d+\)"):
        read_python(code)


@pytest.mark.parametrize(
    "code",
    [
        "import datetime, math as m", "from collections import Counter", "'{0} {x}'.format(1, x=2)",
        "'{{.__globals__}}'.format()", "template.format(name)", "_a = _items", "__import__('json')",
        "class A:\n  def __init__(self): self.x = 1\n  def __eq__(self, o): return True",
        "match e:\n  case {'a': 1, **rest}: pass\n  case E(name=n): pass",
    ],
)  # fmt: skip
def test_everyday_python_is_not_refused(code: str) -> None:
    assert not read_python(code).dynamic_nodes

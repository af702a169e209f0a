"""What others' sandboxes for Python were tried with: escapes and harmless code, row by row.

Their rules are not all ours: some forbid what is harmless here, and some rows need objects of
their own tests. What differs stands with its reason in `code_that_differs.json`, by the digest of
its text.
"""

import ast
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine_service.code.python_rules import FORBIDDEN, read_python
from engine_service.code.results import SYNTAX, CodeError, Mode
from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Evaluator, ExpressionError, Scope, compile_parameters
from engine_service.v8.pool import Limits
from tests.support.recorded import DATA, lines_of

if not DATA.is_dir():
    pytest.skip("the recorded code is not on this machine", allow_module_level=True)

DIFFERS: dict[str, str] = json.loads(
    Path(__file__).with_name("code_that_differs.json").read_text(encoding="utf-8")
)
SCOPE = Scope(items=[{"json": {"a": 1}}], now=datetime.now(UTC))
LIMITS = Limits(seconds=2.0, megabytes=64)
REFUSED = (FORBIDDEN, SYNTAX)
CHECKED = lines_of("sec_python_n8n.jsonl")
RESTRICTED = lines_of("sec_restrictedpython.jsonl")
SIMPLE = lines_of("sec_simpleeval.jsonl")
TEMPLATES = lines_of("sec_jinja.jsonl")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def reason(text: str) -> str | None:
    return DIFFERS.get(digest(text))


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(workers=2)
    yield made
    await made.close()


async def outcome(sandbox: Sandbox, code: str) -> CodeError | list[Any]:
    try:
        return (await sandbox.run_python(code, Mode.ALL_ITEMS, SCOPE, LIMITS)).items
    except CodeError as error:
        return error


def is_refused(code: str) -> bool:
    try:
        read_python(code)
    except CodeError:
        return True
    return False


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: digest(row["code"]))
async def test_what_leads_inside_is_refused(row: dict[str, Any], sandbox: Sandbox) -> None:
    assert is_refused(row["code"]) is (row["verdict"] == "blocked")
    if row["verdict"] == "blocked":
        assert isinstance(await outcome(sandbox, row["code"]), CodeError)


@pytest.mark.parametrize("row", RESTRICTED, ids=lambda row: digest(row["code"]))
async def test_an_attack_gains_nothing_and_harmless_code_may_run(
    row: dict[str, Any], sandbox: Sandbox
) -> None:
    found = await outcome(sandbox, row["code"])
    if row["verdict"] == "blocked":
        assert isinstance(found, CodeError), found
        return
    refused = isinstance(found, CodeError) and found.code in REFUSED
    assert refused is (reason(row["code"]) is not None), found


def names_of(row: dict[str, Any]) -> dict[str, Any]:
    """Names that the row binds to plain values."""
    found: dict[str, Any] = {}
    names: dict[str, str] = row.get("names") or {}
    for name, written in names.items():
        try:
            found[name] = ast.literal_eval(written)
        except (SyntaxError, ValueError):
            continue
    return {name: value for name, value in found.items() if name not in ("True", "False", "None")}


def expected(row: dict[str, Any]) -> Any:
    """The row's value as JSON has it; it shows tuples as text."""
    value = row["value"]
    if isinstance(value, str) and value.startswith("("):
        return list(ast.literal_eval(value))
    return value


@pytest.mark.parametrize("row", SIMPLE, ids=lambda row: f"{digest(row['expr'])}-{'value' in row}")
async def test_an_expression_gives_its_value_or_nothing_of_ours(
    row: dict[str, Any], sandbox: Sandbox
) -> None:
    bound = "".join(f"{name} = {value!r}\n" for name, value in names_of(row).items())
    found = await outcome(sandbox, f'{bound}return {{"value": ({row["expr"].strip()})}}')
    if "value" not in row:
        agrees = isinstance(found, CodeError)
    else:
        agrees = not isinstance(found, CodeError) and found[0]["json"]["value"] == expected(row)
    key = row["expr"] if "value" in row else f"error: {row['expr']}"
    assert agrees is (reason(key) is None), (digest(key), found)


@pytest.mark.parametrize("row", TEMPLATES, ids=lambda row: digest(row["template"]))
async def test_a_template_shows_nothing_from_inside(row: dict[str, Any]) -> None:
    """Their language is another one: read as ours, a template fails or is text."""
    evaluator = Evaluator(timeout=5.0)
    try:
        (found,) = await evaluator.resolve_each(compile_parameters(row["template"]), SCOPE, [0])
    finally:
        await evaluator.close()
    if not isinstance(found, ExpressionError):
        assert not any(word in json.dumps(found) for word in ("class '", "builtin", "[native"))


def test_nothing_is_listed_as_different_that_is_not_recorded() -> None:
    recorded = {digest(row["code"]) for row in RESTRICTED}
    recorded |= {digest(row["expr"]) for row in SIMPLE}
    recorded |= {digest(f"error: {row['expr']}") for row in SIMPLE}
    assert DIFFERS.keys() <= recorded

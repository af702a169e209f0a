"""What other systems' users expect of expressions: recorded rows, each one asserted.

Rows come from outside the repository and are not part of it. What differs, differs on purpose and
stands with its reason in `expressions_that_differ.json`.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from engine_service.expressions import (
    Evaluator,
    ExpressionError,
    NodeOutput,
    Scope,
    compile_parameters,
    parse,
)

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared" / "data"
DIFFERS: dict[str, str] = json.loads((HERE / "expressions_that_differ.json").read_text())
ZONE = "America/New_York"
UNDEFINED = {"$type": "undefined"}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no recorded rows at {DATA}")


def rows_of(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def identified(row: dict[str, Any]) -> str:
    """The row's id, or its expression where rows have none."""
    return row.get("id") or row["expr"]


ROWS = rows_of("n8n_expressions.jsonl")
SECURITY = [row for row in ROWS if row["category"] == "security"]
ATTACKS = rows_of("sec_js_expr.jsonl")


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator(timeout=5.0)
    yield evaluator
    await evaluator.close()


def untagged(value: Any) -> Any:
    """The row's value as JSON has it."""
    if isinstance(value, list):
        return [untagged(inner) for inner in cast("list[Any]", value)]
    if value == UNDEFINED:
        return None
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if fields.get("$type") == "Date":
        return datetime.fromisoformat(fields["value"])
    return {key: untagged(inner) for key, inner in fields.items() if inner != UNDEFINED}


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, datetime):
        return isinstance(found, str) and datetime.fromisoformat(found) == expected
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def node_outputs(run: dict[str, Any] | None) -> dict[str, NodeOutput]:
    return {
        name: NodeOutput([once["data"]["main"] for once in executions])
        for name, executions in (run or {}).items()
        if executions
    }


def item_pairs(row: dict[str, Any], nodes: dict[str, NodeOutput]) -> dict[str, list[int | None]]:
    """Rows pair items with those of the only node before them."""
    positions = [item.get("pairedItem", {}).get("item") for item in row["items"]]
    return dict.fromkeys(nodes, positions)


def parameters_of(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    nodes: list[dict[str, Any]] = row["nodes"] or []
    return {node["name"]: node["parameters"] for node in nodes}


def own_name(row: dict[str, Any]) -> str:
    """The node that the expression stands in, as far as the row shows it."""
    return next(
        (
            name
            for name, parameters in parameters_of(row).items()
            if row["expression"] in parameters.values()
        ),
        "",
    )


def scope_of(row: dict[str, Any]) -> Scope:
    nodes = node_outputs(row["run"])
    moment = row["fake_time"]
    return Scope(
        items=[untagged(item) for item in row["items"]],
        now=datetime.fromisoformat(moment) if moment else datetime.now(UTC),
        zone=ZONE,
        nodes=nodes,
        pairs=item_pairs(row, nodes),
        run={"index": row["runIndex"]},
        parameters=parameters_of(row),
        node={"name": own_name(row)},
    )


async def outcome(evaluator: Evaluator, text: Any, scope: Scope, index: int = 0) -> Any:
    compiled = compile_parameters(text)
    return (await evaluator.resolve_each(compiled, scope, [index]))[0]


@pytest.mark.parametrize("row", ROWS, ids=identified)
async def test_a_recorded_expression_gives_its_value(
    row: dict[str, Any], evaluator: Evaluator
) -> None:
    found = await outcome(
        evaluator, row["expression"].removeprefix("="), scope_of(row), row["itemIndex"]
    )
    failed = isinstance(found, ExpressionError)
    agrees = failed if "error" in row else not failed and same(found, untagged(row["value"]))
    assert agrees is (identified(row) not in DIFFERS), found


PATHS = [
    row
    for row in ROWS
    for found in parse(row["expression"].removeprefix("=")).expressions
    if found.path is not None
]


@pytest.mark.parametrize("row", PATHS, ids=identified)
async def test_a_recorded_path_is_the_same_in_v8(row: dict[str, Any], evaluator: Evaluator) -> None:
    (found,) = parse(row["expression"].removeprefix("=")).expressions
    scope, index = scope_of(row), row["itemIndex"]
    fast = await outcome(evaluator, f"{{{{ {found.source} }}}}", scope, index)
    slow = await outcome(evaluator, f"{{{{ (0, {found.source}) }}}}", scope, index)
    assert isinstance(fast, ExpressionError) is isinstance(slow, ExpressionError)
    assert isinstance(fast, ExpressionError) or fast == slow


def leaves(value: Any, way: str = "$json") -> list[str]:
    """Paths to all that a value holds, and beyond each."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        inner = enumerate(cast("list[Any]", value))
    below = [path for key, each in inner for path in leaves(each, f"{way}[{json.dumps(key)}]")]
    return [way, f"{way}.nowhere", f"{way}[0]", *below]


@pytest.mark.parametrize("row", [row for row in ROWS if row["items"]], ids=identified)
async def test_all_paths_into_a_row_s_data_are_the_same_in_v8(
    row: dict[str, Any], evaluator: Evaluator
) -> None:
    scope, index = scope_of(row), row["itemIndex"]
    paths = leaves(scope.items[index]["json"])[:400]
    fast = await outcome(evaluator, [f"{{{{ {path} }}}}" for path in paths], scope, index)
    slow = await outcome(evaluator, [f"{{{{ (0, {path}) }}}}" for path in paths], scope, index)
    assert fast == slow


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["category"] == "security"], ids=identified
)
async def test_a_recorded_attack_gains_nothing(row: dict[str, Any], evaluator: Evaluator) -> None:
    found = await outcome(evaluator, row["expression"].removeprefix("="), scope_of(row))
    if "error" in row:
        assert isinstance(found, ExpressionError) or found in (None, {})


ATTACK_SCOPE = Scope(
    items=[{"json": {"value": "test-value"}}],
    now=datetime.now(UTC),
    nodes={"source": [{"json": {"city": "Prague"}}], "node_name": [{"json": {}}]},
    pairs={"source": [0], "node_name": [0]},
    extra={"price$": 100, "my$var": "test"},
)


@pytest.mark.parametrize("row", ATTACKS, ids=identified)
async def test_an_escape_fails_and_harmless_code_works(
    row: dict[str, Any], evaluator: Evaluator
) -> None:
    found = await outcome(evaluator, row["expr"].removeprefix("="), ATTACK_SCOPE)
    failed = isinstance(found, ExpressionError)
    if row["n8n"] == "blocked":
        agrees = failed or found in (None, {})
    else:
        agrees = not failed and same(found, untagged(row["value"]))
    assert agrees is (identified(row) not in DIFFERS), found


def test_nothing_is_listed_as_different_that_is_not_recorded() -> None:
    recorded = {identified(row) for row in (*ROWS, *ATTACKS)}
    assert set(DIFFERS) <= recorded

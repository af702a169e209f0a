"""Tenants' tables and what they have seen, on a real PostgreSQL, through the nodes."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.nodes.data_remember import DataRemember
from engine_service.nodes.data_table import DataTable
from engine_service.running.tables import TableLimits, Tables
from engine_service.sdk.node import Done, Failed, NodeError
from engine_service.sdk.tenant_data import Choice, Condition
from shared.clock import ManualClock
from shared.database import Database, DatabaseRole
from shared.workflow import JsonObject
from tests.support.run_node import NOW, given, items, jsons, run_action, services

NUMBERS = itertools.count()
OWN = {"id", "created_at", "updated_at"}
PEOPLE: list[JsonObject] = [
    {"name": "Ann", "age": 30, "tags": ["a"]},
    {"name": "Bo", "age": 4, "tags": []},
    {"name": "Cy", "age": None},
]


@pytest.fixture
async def tables(app_database: Database) -> AsyncIterator[Tables]:
    yield Tables(app_database, ManualClock(NOW), TableLimits(tables=2, rows=5, row_bytes=1_000))
    async with app_database.transaction("ten_a") as connection:
        for name in ("table_rows", "table_writes", "sightings", "marks"):
            await connection.execute(text(f"DELETE FROM engine.{name}"))


async def table(
    tables: Tables,
    parameters: JsonObject,
    *objects: JsonObject,
    key: str = "",
    tenant: str = "ten_a",
) -> list[JsonObject]:
    """What `data.table` gives, without what rows have of their own."""
    what = given(DataTable, {"table": "people", **parameters}, items(*objects))
    key = key or f"run:{next(NUMBERS)}"
    outcome = await run_action(DataTable, what, services(data=tables.of(tenant), key=key))
    return [
        {name: value for name, value in row.items() if name not in OWN} for row in jsons(outcome)
    ]


async def names(tables: Tables, *where: JsonObject, **more: Any) -> list[str]:
    rows = await table(tables, {"operation": "get", "where": list(where), **more}, {})
    return [row["name"] for row in rows]


async def test_rows_are_kept_and_found_again(tables: Tables) -> None:
    assert await table(tables, {}, *PEOPLE) == PEOPLE
    assert await table(tables, {"operation": "get"}, {}) == PEOPLE
    assert await names(tables, order_by="age", descending=True, limit=2) == ["Ann", "Bo"]
    assert await names(tables, order_by="id", descending=True, limit=1) == ["Cy"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([{"field": "name", "value": "Bo"}], ["Bo"]),
        ([{"field": "age", "operator": "not_equals", "value": 4}], ["Ann", "Cy"]),
        ([{"field": "age", "operator": "gte", "value": 4}], ["Ann", "Bo"]),
        ([{"field": "age", "operator": "lt", "value": "5"}], []),
        ([{"field": "name", "operator": "gt", "value": "Ann"}], ["Bo", "Cy"]),
        ([{"field": "name", "operator": "contains", "value": "B"}], ["Bo"]),
        ([{"field": "age", "operator": "empty"}], ["Cy"]),
        ([{"field": "tags", "operator": "filled"}], ["Ann"]),
        ([{"field": "nothing", "value": None}], ["Ann", "Bo", "Cy"]),
        ([{"field": "created_at", "operator": "lt", "value": "2020"}], []),
        ([{"field": "'; DROP TABLE engine.runs; --", "value": "')"}], []),
    ],
)
async def test_conditions_choose_rows(
    where: list[JsonObject], found: list[str], tables: Tables
) -> None:
    await table(tables, {}, *PEOPLE)
    assert await names(tables, *where) == found


async def test_any_condition_may_be_enough(tables: Tables) -> None:
    await table(tables, {}, *PEOPLE)
    where = ({"field": "name", "value": "Bo"}, {"field": "age", "operator": "gt", "value": 20})
    assert await names(tables, *where) == []
    assert await names(tables, *where, any_of=True) == ["Ann", "Bo"]


async def test_rows_are_changed_and_removed(tables: Tables) -> None:
    await table(tables, {}, *PEOPLE)
    upsert = {"operation": "upsert", "match": ["name"]}
    assert await table(tables, upsert, {"name": "Bo", "age": 5}, {"name": "Di"}) == [
        {"name": "Bo", "age": 5, "tags": []}, {"name": "Di"},
    ]  # fmt: skip
    where = {"where": [{"field": "age", "operator": "gt", "value": 4}]}
    assert len(await table(tables, {"operation": "update", "row": {"old": True}, **where}, {})) == 2
    assert await names(tables, {"field": "old", "value": True}) == ["Ann", "Bo"]
    assert len(await table(tables, {"operation": "delete", **where}, {})) == 2
    assert await names(tables) == ["Cy", "Di"]


async def test_a_write_that_is_made_again_happens_once(tables: Tables) -> None:
    first = await table(tables, {}, {"name": "Ann"}, key="run_1:node")
    assert await table(tables, {}, {"name": "Ann"}, key="run_1:node") == first
    assert await names(tables) == ["Ann"]
    each = {"operation": "delete", "where": [{"field": "name", "value": "Ann"}]}
    assert await table(tables, each, {}, key="run_1:gone") == first
    await table(tables, {}, {"name": "Ann"}, key="run_2:node")
    assert await table(tables, each, {}, key="run_1:gone") == first
    assert await names(tables) == ["Ann"]


async def test_two_at_once_do_not_make_a_row_twice(tables: Tables) -> None:
    upsert = {"operation": "upsert", "match": ["name"]}
    await asyncio.gather(
        *(table(tables, upsert, {"name": "Ann", "by": n}, key=f"run_{n}") for n in range(4))
    )
    assert await names(tables) == ["Ann"]


async def refused(tables: Tables, parameters: JsonObject, *objects: JsonObject) -> str:
    what = given(DataTable, {"table": "people", **parameters}, items(*objects))
    outcome = await run_action(DataTable, what, services(data=tables.of("ten_a"), key="x"))
    assert isinstance(outcome, Failed), outcome
    return outcome.code


async def test_what_a_tenant_may_keep_has_limits(tables: Tables) -> None:
    assert await refused(tables, {}, *([{"n": 1}] * 6)) == "table_full"
    assert await refused(tables, {}, {"text": "x" * 1_000}) == "row_too_large"
    assert await refused(tables, {}, {"id": 7}) == "reserved_field"
    assert await names(tables) == []
    for name in ("one", "two"):
        await table(tables, {"table": name}, {"n": 1})
    assert await refused(tables, {"table": "three"}, {"n": 1}) == "too_many_tables"
    await table(
        tables, {"operation": "upsert", "match": ["n"], "table": "one"}, {"n": 1, "pad": "x" * 500}
    )
    update = {"table": "one", "operation": "update", "row": {"text": "x" * 600}}
    assert await refused(tables, update, {}) == "row_too_large"


async def test_a_tenant_sees_its_own_only(tables: Tables, app_database: Database) -> None:
    await table(tables, {}, {"name": "Ann"}, key="same")
    assert await table(tables, {"operation": "get"}, {}, tenant="ten_b") == []
    assert await table(tables, {}, {"name": "Bob"}, key="same", tenant="ten_b") == [{"name": "Bob"}]
    await table(tables, {"operation": "delete"}, {}, tenant="ten_b")
    assert await names(tables) == ["Ann"]
    assert await tables.of("ten_a").see("s", ["k"], "run_1", 10) == [False]
    assert await tables.of("ten_b").see("s", ["k"], "run_2", 10) == [False]
    async with app_database.transaction("ten_b") as connection:
        for name in ("table_rows", "table_writes", "sightings", "marks"):
            mine = text(f"SELECT count(*) FROM engine.{name} WHERE tenant_id <> 'ten_b'")
            assert (await connection.execute(mine)).scalar_one() == 0
            gone = text(f"DELETE FROM engine.{name}")
            await connection.execute(gone)
    assert await names(tables) == ["Ann"]


async def test_a_database_that_is_away_is_a_failure_that_may_pass() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/x", DatabaseRole.APP, size=1)
    with pytest.raises(NodeError) as caught:
        await (
            Tables(away, ManualClock(NOW))
            .of("ten_a")
            .delete("t", Choice([Condition("a", "equals", 1)]), "k")
        )
    assert (caught.value.failure.code, caught.value.failure.retryable) == ("tables_away", True)
    await away.close()


# --- what was seen before


async def remember(
    tables: Tables, parameters: JsonObject, values: list[Any], key: str, node: str = "node"
) -> list[Any]:
    """The values that go on."""
    name = "value" if parameters.get("operation") == "above" else "key"
    each = [{**parameters, name: value} for value in values] or [parameters]
    what = given(DataRemember, each, items(*({"v": value} for value in values)))
    what = replace(what, definition=what.definition.model_copy(update={"id": node}))
    outcome = await run_action(DataRemember, what, services(data=tables.of("ten_a"), key=key))
    assert isinstance(outcome, Done), outcome
    new, seen = (outcome.outputs[port] for port in ("main", "seen"))
    assert sorted(item["paired_item"] for item in (*new, *seen)) == list(range(len(values)))
    return [item["json"]["v"] for item in new]


async def test_only_what_no_earlier_run_saw_goes_on(tables: Tables) -> None:
    assert await remember(tables, {}, ["a", 1, "a"], "run_1") == ["a", 1]
    assert await remember(tables, {}, ["a", "1", "b"], "run_2") == ["1", "b"]
    assert await remember(tables, {}, ["a"], "run_3", node="other") == ["a"]
    together = {"scope": "workflow"}
    assert await remember(tables, together, ["a"], "run_4") == ["a"]
    assert await remember(tables, together, ["a"], "run_5", node="other") == []


async def test_an_execution_that_is_made_again_sees_the_same(tables: Tables) -> None:
    assert await remember(tables, {}, ["a"], "run_1") == ["a"]
    assert await remember(tables, {}, ["a", "b"], "run_1") == ["a", "b"]
    assert await remember(tables, {"operation": "above"}, [1.0, 2.0], "run_1") == [1, 2]
    assert await remember(tables, {"operation": "above"}, [1.0, 2.0], "run_1") == [1, 2]


async def test_the_oldest_is_forgotten_first(tables: Tables) -> None:
    few = {"history": 2}
    for number, value in enumerate("abc"):
        assert await remember(tables, few, [value], f"run_{number}") == [value]
    assert await remember(tables, few, ["b"], "run_8") == []
    assert await remember(tables, few, ["a"], "run_9") == ["a"]


async def test_only_what_is_beyond_the_largest_goes_on(tables: Tables) -> None:
    above = {"operation": "above"}
    assert await remember(tables, above, [3.0, 1.0], "run_1") == [3, 1]
    assert await remember(tables, above, [2.0, 4.0], "run_2") == [4]
    assert await remember(tables, above, [3.5], "run_3") == []
    assert await remember(tables, above, [4.5], "run_4") == [4.5]
    assert await remember(tables, above, ["2026-01-02", "2026-01-01"], "r", node="dates") == [
        "2026-01-02", "2026-01-01",
    ]  # fmt: skip
    assert await remember(tables, above, ["2026-01-01", "2026-01-03"], "s", node="dates") == [
        "2026-01-03"
    ]


async def test_what_was_seen_can_be_forgotten(tables: Tables) -> None:
    await remember(tables, {}, ["a"], "run_1")
    await remember(tables, {"operation": "forget"}, [], "run_2")
    assert await remember(tables, {}, ["a"], "run_3") == ["a"]

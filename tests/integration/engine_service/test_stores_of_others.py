"""`postgres.query` and `redis.command` against real servers."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy.engine import make_url

from engine_service.credentials.postgres_account import PostgresAccount
from engine_service.credentials.redis_account import RedisAccount
from engine_service.nodes.postgres_query import PostgresParameters, PostgresQuery
from engine_service.nodes.redis_command import RedisCommand
from engine_service.protocols.postgres import PostgresFields
from engine_service.protocols.redis import RedisFields
from engine_service.sdk.node import Done, Effect, Failed, NodeError, Outcome
from shared.workflow import JsonObject
from tests.support.accounts import Accounts, loopback
from tests.support.run_node import given, jsons, run_action, services

CREATE = """
CREATE TABLE IF NOT EXISTS public.people (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE NOT NULL, age integer,
  balance numeric, tags text[], extra jsonb, born date)
"""
NASTY = "x'; DROP TABLE people; --"


@pytest.fixture
def account(postgres_url: str) -> dict[str, Any]:
    url = make_url(postgres_url)
    return {
        "host": url.host or "127.0.0.1",
        "port": url.port or 5432,
        "database": url.database,
        "username": url.username,
        "password": url.password or "",
        "security": "none",
    }


class Database:
    """Runs the node."""

    def __init__(self, account: dict[str, Any]) -> None:
        self._account = account

    async def ask(self, *parameters: JsonObject, items: Sequence[JsonObject] = ()) -> Outcome:
        told = [{"json": item} for item in items] or [{"json": {}} for _ in parameters]
        what = given(PostgresQuery, list(parameters), told)
        tools = services(credentials=Accounts(**self._account), network=loopback())
        return await run_action(PostgresQuery, what, tools)

    async def rows(self, sql: str, *values: Any) -> list[JsonObject]:
        return jsons(await self.ask({"sql": sql, "values": list(values)}))


@pytest.fixture
async def database(account: dict[str, Any]) -> Database:
    made = Database(account)
    await made.rows(CREATE)
    await made.rows("TRUNCATE public.people RESTART IDENTITY")
    return made


def failed(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


# --- PostgreSQL


async def test_values_stay_values(database: Database) -> None:
    written = await database.ask(
        {
            "operation": "insert",
            "table": "people",
            "columns": {
                "email": NASTY,
                "age": "7",
                "balance": 1.5,
                "tags": ["a", 'b"c\\', None],
                "extra": {"k": [1, "ü"]},
                "born": "2020-02-29",
            },
        }
    )
    row = {
        "id": 1,
        "email": NASTY,
        "age": 7,
        "balance": 1.5,
        "tags": ["a", 'b"c\\', None],
        "extra": {"k": [1, "ü"]},
        "born": "2020-02-29",
    }
    assert jsons(written) == [row]
    assert await database.rows("SELECT * FROM people WHERE email = $1 AND age = $2", NASTY, 7) == [
        row
    ]


async def test_rows_are_written_changed_found_and_removed(database: Database) -> None:
    people: list[JsonObject] = [{"email": f"p{n}@x", "age": n} for n in range(4)]
    table: JsonObject = {"table": "people", "returning": ["email", "age"]}
    await database.ask({"operation": "insert", **table}, items=people)
    upserted = await database.ask(
        {
            "operation": "upsert",
            **table,
            "columns": {"email": "p1@x", "age": 10},
            "conflict_on": ["email"],
        }
    )
    assert jsons(upserted) == [{"email": "p1@x", "age": 10}]
    where = {"email": ["p0@x", "p1@x", "p9@x"]}
    select: JsonObject = {"operation": "select", **table, "order_by": ["-age"]}
    assert [one["age"] for one in jsons(await database.ask({**select, "where": where}))] == [10, 0]
    assert [one["age"] for one in jsons(await database.ask({**select, "row_limit": 2}))] == [10, 3]
    changed = await database.ask(
        {
            "operation": "update",
            **table,
            "columns": {"age": None},
            "where": {"email": "p2@x"},
        }
    )
    assert jsons(changed) == [{"email": "p2@x", "age": None}]
    gone = await database.ask({"operation": "delete", **table, "where": {"age": None}})
    assert jsons(gone) == [{"email": "p2@x", "age": None}]
    assert await database.rows("SELECT count(*) FROM people") == [{"count": 3}]


async def test_exact_numbers_moments_and_bytes_survive(database: Database) -> None:
    [row] = await database.rows(
        "SELECT 12345678901234567890.123::numeric AS big, 0.1::numeric AS small,"
        " timestamptz '2026-03-02 09:00+00' AS at, '\\x00ff'::bytea AS raw,"
        " 'NaN'::float8 AS nan, interval '90 seconds' AS long, NULL AS nothing"
    )
    assert row["big"] == "12345678901234567890.123"
    assert row["small"] == 0.1
    assert str(row["at"]).startswith("2026-03-02T")
    assert (row["raw"], row["nan"], row["long"], row["nothing"]) == ("AP8=", "nan", 90.0, None)


async def test_all_or_nothing_and_one_by_one(database: Database) -> None:
    people: list[JsonObject] = [{"email": "a"}, {"email": None}, {"email": "b"}]
    insert: JsonObject = {"operation": "insert", "table": "people"}
    assert failed(await database.ask({**insert, "transaction": "all"}, items=people)).code == (
        "query_failed"
    )
    assert await database.rows("SELECT email FROM people") == []
    outcome = await database.ask(insert, items=people)
    assert isinstance(outcome, Done)
    assert [(one.index, one.code) for one in outcome.failures] == [(1, "query_failed")]
    assert await database.rows("SELECT email FROM people ORDER BY 1") == [
        {"email": "a"},
        {"email": "b"},
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people (email) VALUES ('x')",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT 1; DELETE FROM people",
    ],
)
async def test_who_only_reads_cannot_write(database: Database, sql: str) -> None:
    outcome = await database.ask({"sql": sql, "read_only": True})
    assert failed(outcome).code == "query_failed"


async def test_the_database_ends_what_takes_too_long_and_too_many_rows_fail(
    database: Database,
) -> None:
    slow = failed(await database.ask({"sql": "SELECT pg_sleep(20)", "timeout": 0.1}))
    assert "57014" in slow.message
    many: JsonObject = {"sql": "SELECT generate_series(1, 100000) AS n", "row_limit": 10}
    assert failed(await database.ask(many)).code == "too_many_rows"
    write: JsonObject = {
        "sql": "INSERT INTO people (email) SELECT n FROM generate_series(1, 50) n RETURNING id",
        "row_limit": 10,
    }
    assert failed(await database.ask(write)).code == "too_many_rows"
    assert await database.rows("SELECT email FROM people") == []


async def test_an_account_says_what_is_wrong_with_it(account: dict[str, Any]) -> None:
    kind, fields = PostgresAccount(), PostgresFields.model_validate(account)
    await kind.try_out(fields, loopback())
    for change, code in (
        ({"database": "nowhere"}, "login_failed"),
        ({"security": "tls"}, "tls_failed"),
        ({"host": "10.0.0.1"}, "address_refused"),
    ):
        with pytest.raises(NodeError) as caught:
            await kind.try_out(fields.model_copy(update=change), loopback())
        assert caught.value.failure.code == code, caught.value


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"sql": " "}, "/sql"),
        ({"operation": "update", "table": "t", "columns": {"a": 1}}, "/where"),
        ({"operation": "upsert", "table": "t"}, "/conflict_on"),
        ({"operation": "insert"}, "/table"),
        ({"operation": "delete", "table": "t", "where": {"a": 1}, "read_only": True}, "/read_only"),
    ],
)
def test_what_cannot_work_is_said_before(parameters: JsonObject, pointer: str) -> None:
    found = PostgresQuery.check(PostgresParameters.model_validate(parameters))
    assert [where for where, _, _ in found] == [pointer]


def test_reading_may_be_repeated_and_writing_may_not() -> None:
    for parameters, effect in (
        ({"operation": "select"}, Effect.READ),
        ({"sql": "SELECT 1", "read_only": True}, Effect.READ),
        ({"sql": "SELECT f()"}, Effect.UNSAFE),
        ({"operation": "{{ $json.what }}"}, Effect.UNSAFE),
    ):
        assert PostgresQuery.effect_of(parameters) is effect
    assert RedisCommand.effect_of({"command": "get"}) is Effect.READ
    assert RedisCommand.effect_of({"command": "list_pop"}) is Effect.UNSAFE


# --- Redis


class Store:
    """Runs the node."""

    def __init__(self, account: dict[str, Any]) -> None:
        self.account = account

    async def ask(self, command: str, **parameters: Any) -> Outcome:
        what = given(RedisCommand, {"command": command, **parameters})
        tools = services(credentials=Accounts(**self.account), network=loopback())
        return await run_action(RedisCommand, what, tools)

    async def value(self, command: str, **parameters: Any) -> Any:
        [item] = jsons(await self.ask(command, **parameters))
        return item["value"]


@pytest.fixture
def store(redis_url: str) -> Store:
    url = urlsplit(redis_url)
    return Store(
        {
            "host": url.hostname,
            "port": url.port,
            "database": int(url.path.strip("/") or 0),
            "username": url.username or "",
            "password": url.password or "",
        }
    )


async def test_keys_counters_and_their_lives(store: Store) -> None:
    assert await store.value("get", key="k") is None
    assert await store.value("set", key="k", value={"a": [1]}, ttl=100) is True
    assert await store.value("set", key="k", value="other", only_if_absent=True) is False
    assert await store.value("get", key="k") == {"a": [1]}
    assert await store.value("get", key="k", read_json=False) == '{"a":[1]}'
    assert 0 < await store.value("ttl", key="k") <= 100
    assert await store.value("increment", key="n", amount=5, ttl=60) == 5
    assert await store.value("increment", key="n", amount=-2, ttl=60) == 3
    assert await store.value("exists", key="n") is True
    assert sorted(await store.value("keys", key="*")) == ["k", "n"]
    assert await store.value("delete", key="k") == 1
    assert await store.value("exists", key="k") is False


async def test_hashes_lists_and_sets(store: Store) -> None:
    assert await store.value("hash_set", key="h", value={"a": 1, "b": [2]}) == 2
    assert await store.value("hash_get", key="h", field="b") == [2]
    assert await store.value("hash_get_all", key="h") == {"a": "1", "b": [2]}
    assert await store.value("hash_delete", key="h", field="a") == 1
    for number in range(3):
        await store.value("list_push", key="l", value=str(number))
    assert await store.value("list_range", key="l") == ["0", "1", "2"]
    assert await store.value("list_pop", key="l", side="left") == "0"
    assert await store.value("list_length", key="l") == 2
    await store.value("set_add", key="s", value="ü")
    assert await store.value("set_members", key="s") == ["ü"]
    assert await store.value("publish", channel="c", value={"x": 1}) == 0
    assert "redis_version" in await store.value("info")


async def test_what_redis_refuses_is_told(store: Store) -> None:
    await store.value("set", key="text", value="a")
    assert failed(await store.ask("list_push", key="text", value="b")).code == "command_failed"
    assert failed(await store.ask("hash_set", key="hh", value="no object")).code == "bad_command"
    wrong = Store({**store.account, "password": "wrong", "username": "nobody"})
    assert failed(await wrong.ask("get", key="k")).code == "login_failed"
    fields = RedisFields.model_validate(store.account)
    await RedisAccount().try_out(fields, loopback())
    inner = fields.model_copy(update={"host": "10.0.0.1"})
    with pytest.raises(NodeError, match="inner address"):
        await RedisAccount().try_out(inner, loopback())

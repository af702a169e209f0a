"""What tenants have remembered, in a real PostgreSQL and a real Valkey: no node is in between."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.protocols.redis import connected
from engine_service.running.housekeeping import forget
from engine_service.running.remembering import Memories, MemoryLimits
from engine_service.running.shelves import Shelves, account_of
from engine_service.sdk.memory import Conversation, Document, Exchange, Piece, Session, Wanted
from engine_service.sdk.node import NodeError
from engine_service.sdk.tenant_data import Choice, Condition
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from shared.clock import ManualClock
from shared.database import Database, DatabaseRole
from shared.workflow import JsonObject
from tests.support.run_node import NOW

TABLES = ("collections", "documents", "conversations", "exchanges")
DAY = timedelta(days=1)
ADA = Session("live/wf_1", "ada")


@pytest.fixture
async def memories(app_database: Database, redis_url: str) -> AsyncIterator[Memories]:
    limits = MemoryLimits(collections=2, pieces=6, turns=4)
    yield Memories(app_database, ManualClock(NOW), Shelves(redis_url), limits)
    for tenant in ("ten_a", "ten_b"):
        async with app_database.transaction(tenant) as connection:
            for name in ("collections", "conversations"):
                await connection.execute(text(f"DELETE FROM engine.{name}"))


def document(name: str, *vectors: list[float], said: str = "", **metadata: Any) -> Document:
    pieces = [Piece(said or f"{name} {place}", vector) for place, vector in enumerate(vectors)]
    return Document(name, name.encode(), metadata, pieces)


EAST, NORTH, BETWEEN = [1.0, 0.0], [0.0, 1.0], [0.9, 0.1]


async def names(memories: Memories, vector: list[float], said: str = "", **more: Any) -> list[str]:
    wanted = Wanted(said, vector, limit=10, **more)
    found = await memories.of("ten_a").documents.search("c", "m", wanted)
    return [one.document_id for one in found]


async def test_the_nearest_pieces_come_first(memories: Memories) -> None:
    documents = memories.of("ten_a").documents
    await documents.put("c", "m", [document("east", EAST), document("north", NORTH, BETWEEN)])
    found = await documents.search("c", "m", Wanted("", EAST, 2, "cosine"))
    assert [(one.document_id, one.piece) for one in found] == [("east", 0), ("north", 1)]
    assert found[0].similarity == pytest.approx(1)
    assert found[0].score == found[0].similarity > found[1].score > 0.9
    assert await names(memories, EAST, ranking="cosine", least=0.95) == ["east", "north"]
    assert await names(memories, [0.0, 0.0], ranking="cosine", least=0.1) == []


async def test_words_count_beside_nearness(memories: Memories) -> None:
    documents = memories.of("ten_a").documents
    await documents.put(
        "c",
        "m",
        [
            document("near", EAST, said="Nothing of it"),
            document("said", BETWEEN, said="The invoices were paid"),
            document("far", NORTH, said="发票已经支付"),
        ],
    )
    assert (await names(memories, EAST, "paying an invoice"))[0] == "said"
    assert await names(memories, EAST, "发票", least=0.5) == ["near", "far", "said"]
    assert await names(memories, EAST, least=0.5) == ["near", "said"]
    assert (await names(memories, EAST, "paying", ranking="cosine"))[0] == "near"


async def test_conditions_on_metadata_choose(memories: Memories) -> None:
    documents = memories.of("ten_a").documents
    await documents.put(
        "c", "m", [document("a", EAST, year=2024), document("b", EAST, year=2026, tags=["x"])]
    )
    recent = Choice([Condition("year", "gt", 2025)])
    assert await names(memories, EAST, where=recent) == ["b"]
    assert await names(memories, EAST, where=Choice([Condition("'; --", "empty")])) == ["a", "b"]
    assert await documents.delete("c", [], recent) == 1
    assert await documents.delete("c", ["a", "no"], Choice()) == 1
    assert await documents.known("c", "another", ["a"]) == {}, "an empty collection is gone"


async def test_a_document_that_is_put_again_takes_its_own_place(memories: Memories) -> None:
    documents = memories.of("ten_a").documents
    old = document("a", EAST, NORTH)
    for _ in range(2):
        await documents.put("c", "m", [old])
    assert await documents.known("c", "m", ["a", "b"]) == {"a": b"a"}
    await documents.put("c", "m", [replace(old, pieces=(), metadata={"v": 2})])
    assert await names(memories, EAST, where=Choice([Condition("v", "equals", 2)])) == ["a", "a"]
    await documents.put("c", "m", [document("a", NORTH)])
    assert await names(memories, EAST) == ["a"]


async def refused(memories: Memories, *put: Any, collection: str = "c", model: str = "m") -> str:
    with pytest.raises(NodeError) as caught:
        await memories.of("ten_a").documents.put(collection, model, put)
    return caught.value.failure.code


async def test_what_a_collection_takes_has_limits(memories: Memories) -> None:
    documents = memories.of("ten_a").documents
    await documents.put("c", "m", [document("a", EAST)])
    assert await refused(memories, document("b", [1.0, 0.0, 0.0])) == "vector_size_wrong"
    assert await refused(memories, document("b", EAST), model="n") == "collection_model_differs"
    assert await refused(memories, document("b", *[EAST] * 6)) == "collection_full"
    assert await names(memories, EAST) == ["a"]
    await documents.put("d", "m", [document("a", EAST)])
    assert await refused(memories, document("b", EAST), collection="e") == "too_many_collections"
    with pytest.raises(NodeError) as caught:
        await documents.search("c", "n", Wanted("", EAST, 1))
    assert caught.value.failure.code == "collection_model_differs"


def turn(number: int) -> Exchange:
    return Exchange(f"q{number}", f"a{number}", NOW)


async def said(memories: Memories, most: int = 10, tenant: str = "ten_a") -> list[str]:
    found = await memories.of(tenant).conversations.recall(ADA, most)
    return [one.question for one in found.turns]


async def test_turns_are_remembered_once_and_in_order(memories: Memories) -> None:
    conversations = memories.of("ten_a").conversations
    assert await conversations.recall(ADA, 3) == Conversation()
    for number in (1, 2, 3, 2, 1):
        await conversations.add(ADA, turn(number), f"run_{number}", DAY)
    assert await said(memories) == ["q1", "q2", "q3"]
    assert await said(memories, 2) == ["q2", "q3"]
    for number in (4, 5):
        await conversations.add(ADA, turn(number), f"run_{number}", DAY)
    assert await said(memories) == ["q2", "q3", "q4", "q5"], "a conversation has a limit"


async def test_a_summary_takes_the_place_of_older_turns(memories: Memories) -> None:
    conversations = memories.of("ten_a").conversations
    for number in (1, 2, 3):
        await conversations.add(ADA, turn(number), f"run_{number}", DAY)
    before = await conversations.recall(ADA, 10)
    upto = before.turns[1].place
    await conversations.sum_up(ADA, before, "What 1 and 2 said.", upto)
    await conversations.sum_up(ADA, before, "Too late.", before.turns[2].place)
    after = await conversations.recall(ADA, 10)
    assert (after.summary, after.summed_up_to) == ("What 1 and 2 said.", upto)
    assert [one.question for one in after.turns] == ["q3"]


async def test_what_is_over_is_forgotten(memories: Memories, worker_database: Database) -> None:
    conversations, documents = memories.of("ten_a").conversations, memories.of("ten_a").documents
    clock = memories.clock
    assert isinstance(clock, ManualClock)
    await conversations.add(ADA, turn(1), "run_1", DAY)
    await documents.put("c", "m", [document("short", EAST)], NOW + DAY)
    await documents.put("c", "m", [document("long", EAST)])
    clock.advance(2 * DAY)
    assert await said(memories) == []
    assert await names(memories, EAST) == ["long"]
    await conversations.add(replace(ADA, name="bob"), turn(2), "run_2", DAY)
    assert await forget(worker_database, clock) == 2
    assert await forget(worker_database, clock) == 0
    async with worker_database.transaction() as connection:
        left = await connection.execute(text("SELECT session FROM engine.exchanges"))
        assert list(left.scalars()) == ["bob"]
    await conversations.add(ADA, turn(3), "run_1", DAY)
    assert await said(memories) == ["q3"], "it began anew"


async def test_a_tenant_sees_its_own_only(memories: Memories, app_database: Database) -> None:
    for tenant in ("ten_a", "ten_b"):
        mine = memories.of(tenant)
        await mine.conversations.add(ADA, turn(1 if tenant == "ten_a" else 2), "run", DAY)
        await mine.documents.put("c", "m", [document(tenant, EAST)])
        await mine.shelf.add("ada", "run", tenant, 60)
    assert await said(memories) == ["q1"]
    assert await names(memories, EAST) == ["ten_a"]
    assert await memories.of("ten_a").shelf.read("ada") == {"run": "ten_a"}
    async with app_database.transaction("ten_b") as connection:
        for name in TABLES:
            others = text(f"SELECT count(*) FROM engine.{name} WHERE tenant_id <> 'ten_b'")
            assert (await connection.execute(others)).scalar_one() == 0
        await connection.execute(text("DELETE FROM engine.collections"))
        await connection.execute(text("DELETE FROM engine.conversations"))
    assert await said(memories) == ["q1"]
    assert await names(memories, EAST) == ["ten_a"]


async def test_a_shelf_is_cleared_by_itself(memories: Memories, redis_url: str) -> None:
    shelf = memories.of("ten_a/b").shelf
    await shelf.add("bob", "k1", "first", 60)
    await shelf.add("bob", "k1", "again", 90)
    await shelf.add("bob", "k2", "second", 90)
    assert await shelf.read("bob") == {"k1": "first", "k2": "second"}
    account = account_of(redis_url)
    network = GuardedNetwork(AllowList.parse([f"{account.host}:{account.port}"]))
    async with connected(network, account) as redis:
        assert 60 < await redis.ask("TTL", "flowloom:memory:ten_a%2Fb:bob") <= 90
    await shelf.remove("bob", ["k1", "k2"])
    assert await shelf.read("bob") == {}


@pytest.mark.parametrize("url", ["http://x", "redis:///1", "redis://h/x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected redis://"):
        Shelves(url)


async def test_what_is_away_is_a_failure_that_may_pass() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/x", DatabaseRole.APP, size=1)
    memory = Memories(away, ManualClock(NOW), Shelves("redis://:secret@127.0.0.1:1/0")).of("ten_a")
    failures: list[JsonObject] = []
    for work in (
        memory.conversations.recall(ADA, 1),
        memory.documents.known("c", "m", ["a"]),
        memory.shelf.read("ada"),
    ):
        with pytest.raises(NodeError) as caught:
            await work
        failure = caught.value.failure
        failures.append({"code": failure.code, "retryable": failure.retryable})
        assert "127.0.0.1" not in failure.message
    assert failures == [{"code": "memory_away", "retryable": True}] * 3
    with pytest.raises(NodeError, match=r"redis\.account"):
        _ = Memories(away, ManualClock(NOW)).of("ten_a").shelf
    await away.close()

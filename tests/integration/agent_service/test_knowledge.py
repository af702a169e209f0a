"""The library in PostgreSQL with pgvector: by meaning, by words, by tenant."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from agent_service.knowledge.library import KnowledgeLibrary
from agent_service.server import Agent
from agent_service.store.knowledge import StoredPassage, save_passages
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole
from shared.errors import InvalidInput, Unavailable
from shared.identity import Principal
from shared.llm import Budget, Embeddings, Usage
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2
from shared.rpc import call
from tests.integration.agent_service.conftest import ALICE, MALLORY, Client
from tests.support.catalogues import engine_catalogue


async def _search(client: Client, query: str, kind: str = "", limit: int = 0) -> list[str]:
    with client.acting():
        answer = await client.knowledge.SearchKnowledge(
            knowledge_service_pb2.SearchKnowledgeRequest(query=query, kind=kind, limit=limit)
        )
    assert not answer.lexical_only
    return [hit.name for hit in answer.hits]


@pytest.fixture(scope="module")
async def filled(agent: Agent, postgres_url: str) -> None:
    """Wait until the agent has filled its library."""
    database = Database(postgres_url, DatabaseRole.WORKER)
    query = text("SELECT count(*) FROM agent.knowledge_embeddings")
    async with asyncio.timeout(30):
        count = 0
        while count < len(engine_catalogue().types()) + 8:
            async with database.transaction() as connection:
                count = (await connection.execute(query)).scalar_one()
    await database.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("run it every morning on a schedule", "trigger.schedule"),
        ("when somebody calls my webhook", "trigger.webhook"),
        ("have a colleague approve it first", "human.approval"),
        ("call a REST API", "http.request"),
        ("summarize a text with a language model", "ai.chat"),
        ("wait for ten minutes", "flow.wait"),
        ("go through the items one by one in batches", "flow.loop"),
        ("每天早上定时运行", "trigger.schedule"),
        ("需要审批", "human.approval"),
        ("总结文章", "ai.chat"),
        ("等待十分钟", "flow.wait"),
    ],
)
async def test_a_node_is_found_in_plain_words(
    alice: Client, filled: None, query: str, expected: str
) -> None:
    assert expected in (await _search(alice, query, kind="node"))[:3]


async def test_kinds_and_limits_hold(alice: Client, filled: None) -> None:
    assert len(await _search(alice, "webhook order approval", limit=2)) == 2
    examples = await _search(alice, "approve large orders", kind="example")
    assert examples[0] == "order_approval"


@pytest.mark.parametrize(("query", "kind"), [("", ""), ("x" * 3000, ""), ("webhook", "nonsense")])
async def test_bad_searches_are_refused(alice: Client, query: str, kind: str) -> None:
    with pytest.raises(InvalidInput):
        await _search(alice, query, kind)


async def test_odd_signs_in_a_query_do_no_harm(alice: Client, filled: None) -> None:
    for query in ("'; DROP TABLE agent.knowledge; --", "a & | ! :* <-> b", "\\", "%_", "😀"):
        await _search(alice, query)


async def test_a_tenants_own_passages_are_its_own(postgres_url: str, filled: None) -> None:
    """A crowd of one tenant's passages hides neither everybody's nor is it seen by another."""
    database = Database(postgres_url, DatabaseRole.APP)
    worker = Database(postgres_url, DatabaseRole.WORKER)
    library = KnowledgeLibrary(database, worker, _Counting(), 0.0, SystemClock())
    mine = [
        StoredPassage(
            id=uuid.uuid4().hex,
            tenant_id=ALICE.tenant_id,
            kind="practice",
            name=f"own-{number}",
            title=f"Zebra rule {number}",
            text="Zebras are invoiced on Fridays.",
            words=f"Zebra rule {number} Zebras are invoiced on Fridays.",
            digest=str(number),
        )
        for number in range(50)
    ]
    async with database.transaction(ALICE.tenant_id) as connection:
        await save_passages(connection, mine, SystemClock().now())
    found = await _names(library, ALICE, "invoice the zebra")
    assert found
    assert all(name.startswith("own-") for name in found)
    others = await _names(library, MALLORY, "invoice the zebra")
    assert not any(name.startswith("own-") for name in others)
    await database.close()
    await worker.close()


async def _names(library: KnowledgeLibrary, principal: Principal, query: str) -> list[str]:
    with call.use(call.Call(principal=principal)):
        found = await library.search(query)
    return [one.name for one in found.passages]


class _Counting:
    """An embedder that counts what it is given, and may be away."""

    name = "test:counting"

    def __init__(self, *, away: bool = False) -> None:
        self.count = 0
        self._away = away

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        if self._away:
            raise Unavailable("The embedding model is away.")
        self.count += len(texts)
        vectors = [[float(len(one) % 7 + 1), 1.0, float(len(one) % 3)] for one in texts]
        return Embeddings(self.name, vectors, Usage())

    async def close(self) -> None:
        """Nothing to close."""


async def test_filling_again_embeds_nothing_again(postgres_url: str, filled: None) -> None:
    database = Database(postgres_url, DatabaseRole.APP)
    worker = Database(postgres_url, DatabaseRole.WORKER)
    embedder = _Counting()
    library = KnowledgeLibrary(database, worker, embedder, 0.3, SystemClock())
    first = await library.fill(engine_catalogue())
    assert first == embedder.count > len(engine_catalogue().types())
    assert await library.fill(engine_catalogue()) == 0
    await database.close()
    await worker.close()


async def test_without_its_model_the_search_compares_words_and_says_so(
    postgres_url: str, filled: None
) -> None:
    database = Database(postgres_url, DatabaseRole.APP)
    worker = Database(postgres_url, DatabaseRole.WORKER)
    library = KnowledgeLibrary(database, worker, _Counting(away=True), 0.3, SystemClock())
    with call.use(call.Call(principal=ALICE)):
        found = await library.search("cron schedule timer", kind="node")
    assert found.lexical_only
    assert found.passages[0].name == "trigger.schedule"
    assert found.passages[0].similarity == 0
    await database.close()
    await worker.close()

"""Memories of agents in a real engine: what is told, what is kept, once, and for whom."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from engine_service.ai.asking import ModelParameters
from engine_service.ai.memory import Recollection, Talk
from engine_service.nodes.memory_kv import KvParameters, MemoryKv
from engine_service.protocols.redis import connected
from engine_service.running.execute import World
from engine_service.running.remembering import Memories
from engine_service.running.shelves import Shelves, account_of
from engine_service.running.worker import WorkerOptions
from engine_service.sdk.node import NodeError
from engine_service.store.run_rows import StoredRun
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole
from shared.llm import Budget
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject
from tests.support.accounts import Accounts
from tests.support.engine import SECONDS, NoHttp, TestEngine, running_engine
from tests.support.llm_server import LlmServer, fail, say, sent
from tests.support.run_node import services
from tests.support.worlds import Answering

MODEL = "openai:gpt-4o-mini"
EMBEDDINGS = "openai:text-embedding-3-small"


@dataclass(frozen=True, slots=True)
class Bench:
    engine: TestEngine
    server: LlmServer


@pytest.fixture(scope="module")
async def bench(postgres_url: str, redis_url: str) -> AsyncIterator[Bench]:
    async with (
        LlmServer() as server,
        engine_with_memory(postgres_url, server, WorkerOptions(), redis_url) as engine,
    ):
        yield Bench(engine, server)


@pytest.fixture(autouse=True)
def begin_anew(bench: Bench) -> None:
    bench.server.asked.clear()
    bench.server.script.clear()


def workflow(*memories: JsonObject, prompt: str = "{{ $json.message }}") -> JsonObject:
    """A trigger, an agent, and memories: `{"type": …, "parameters": …, "model": …}`."""
    nodes: list[JsonObject] = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "agent",
            "name": "Agent",
            "type": "ai.agent",
            "parameters": {"prompt": prompt, "model": MODEL, "system": "Be kind."},
            "settings": {"retry": {"max_attempts": 2, "backoff": 0}},
        },
    ]
    connections: list[JsonObject] = [{"from": "start", "to": "agent"}]
    for number, memory in enumerate(memories):
        own, model = f"memory{number}", memory.get("model")
        kept = {name: memory[name] for name in ("type", "parameters") if name in memory}
        nodes.append({"id": own, "name": own, **kept})
        connections.append({"from": own, "to": "agent", "input": "memory"})
        if model:
            nodes.append(
                {"id": f"m{number}", "name": "M", "type": "model.chat", "parameters": model}
            )
            connections.append({"from": f"m{number}", "to": own, "input": "model"})
    return {"name": "w", "nodes": nodes, "connections": connections}


BUFFER: JsonObject = {"type": "memory.buffer"}
VECTOR: JsonObject = {"type": "memory.vector", "parameters": {"model": EMBEDDINGS}}


async def talk(bench: Bench, workflow_id: str, message: str, session: Any = "ada") -> StoredRun:
    given = {"message": message, "session_id": session}
    return await bench.engine.finish(workflow_id, given)


async def answer(bench: Bench, workflow_id: str, message: str, *said: str, **of: Any) -> str:
    """What the agent answers; the model says these things in turn."""
    bench.server.script += [say(one) for one in said]
    ended = await talk(bench, workflow_id, message, **of)
    assert ended.status == "completed", ended.error
    [item] = json.loads(ended.output or "[]")
    return item["json"]["text"]


def told(bench: Bench, number: int = -1) -> list[tuple[str, str]]:
    """What the model was told, in order."""
    messages = bench.server.asked[number].body["messages"]
    return [(one["role"], one["content"]) for one in messages]


@pytest.mark.parametrize("kind", ["memory.buffer", "memory.kv", "memory.summary"])
async def test_an_agent_knows_what_was_said_before(bench: Bench, kind: str) -> None:
    remembering = await bench.engine.save(workflow({"type": kind, "parameters": {"turns": 2}}))
    for number in (1, 2, 3):
        await answer(bench, remembering, f"Question {number}", f"Answer {number}")
    later = [] if kind != "memory.summary" else [("user", "Question 1"), ("assistant", "Answer 1")]
    await answer(bench, remembering, "Now?", "Yes.")
    assert told(bench) == [
        ("system", "Be kind."),
        *later,
        ("user", "Question 2"), ("assistant", "Answer 2"),
        ("user", "Question 3"), ("assistant", "Answer 3"),
        ("user", "Now?"),
    ]  # fmt: skip
    await answer(bench, remembering, "Hello", "Hi", session=7)
    assert told(bench) == [("system", "Be kind."), ("user", "Hello")]
    another = await bench.engine.save(workflow({"type": kind}))
    await answer(bench, another, "Hello", "Hi")
    assert told(bench) == [("system", "Be kind."), ("user", "Hello")]


async def test_workflows_may_share_a_conversation(bench: Bench) -> None:
    shared: JsonObject = {
        "type": "memory.buffer",
        "parameters": {"scope": "tenant", "session": "{{ $json.message.split(' ')[0] }}"},
    }
    one = await bench.engine.save(workflow(shared))
    other = await bench.engine.save(workflow(shared))
    await answer(bench, one, "Bo asks", "Bo is told")
    await answer(bench, other, "Bo asks again", "Yes.")
    assert ("assistant", "Bo is told") in told(bench)


async def test_a_turn_is_remembered_once_although_the_node_is_tried_again(bench: Bench) -> None:
    """The second memory fails when it is to keep what the first has kept already."""
    both = await bench.engine.save(workflow(BUFFER, VECTOR))
    embedding = say()
    bench.server.script += [embedding, say("It rains."), fail(500), embedding]
    ended = await talk(bench, both, "What is it like?")
    assert ended.status == "completed", ended.error
    assert [asked.path.rpartition("/")[2] for asked in bench.server.asked] == [
        "embeddings", "completions", "embeddings", "embeddings",
    ]  # fmt: skip
    rows = await bench.engine.query(
        "SELECT key, question, answer FROM engine.exchanges WHERE scope LIKE :scope",
        scope=f"%/{both}",
    )
    assert [tuple(row) for row in rows] == [
        (f"{ended.id}:agent:0", "What is it like?", "It rains.")
    ]
    pieces = await bench.engine.query("SELECT document_id FROM engine.documents")
    assert [row.document_id for row in pieces] == [f"{ended.id}:agent:0"]
    [usage] = await bench.engine.query(
        "SELECT sum(model_calls) AS calls, sum(input_tokens) AS read FROM engine.run_usage"
        " WHERE run_id = :id",
        id=ended.id,
    )
    assert (usage.calls, usage.read) == (3, 33), "what was embedded is paid like what was asked"


async def test_older_turns_are_summed_up_by_a_model(bench: Bench) -> None:
    memory: JsonObject = {
        "type": "memory.summary",
        "parameters": {"turns": 1, "max_characters": 500},
        "model": {"model": "openai:gpt-4.1-nano"},
    }
    long = await bench.engine.save(workflow(memory))
    await answer(bench, long, "My name is Ada.", "a" * 400)
    await answer(bench, long, "I like tea.", "b" * 400)
    await answer(bench, long, "What do I like?", "The user is Ada.", "c" * 400)
    summing, asking = bench.server.asked[-2:]
    assert summing.body["model"] == "gpt-4.1-nano"
    assert "My name is Ada." in json.dumps(summing.body)
    assert "I like tea." not in json.dumps(summing.body)
    assert asking.body["model"] == "gpt-4o-mini"
    assert told(bench) == [
        ("system", "Be kind."),
        ("user", "The conversation so far, summed up:\nThe user is Ada."),
        ("user", "I like tea."), ("assistant", "b" * 400),
        ("user", "What do I like?"),
    ]  # fmt: skip
    await answer(bench, long, "And what else?", "Ada likes tea.", "Nothing.")
    assert "Summed up so far:\\nThe user is Ada." in json.dumps(bench.server.asked[-2].body)


async def test_nobody_watches_a_summary_being_written(bench: Bench) -> None:
    memory: JsonObject = {
        "type": "memory.summary",
        "parameters": {"turns": 1, "max_characters": 500},
    }
    long = await bench.engine.save(workflow(memory))
    for number in (1, 2):
        await answer(bench, long, f"Question {number}", "a" * 400)
    bench.server.script += [say("Hidden."), say("Seen.")]
    ended = await talk(bench, long, "Now?")
    assert ended.status == "completed", ended.error
    events = await bench.engine.history(ended.id)
    deltas = [event.data["delta"] for event in events if event.type == "node.delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "Seen."
    [done] = [one for one in events if one.type == "node.completed" and "usage" in one.data]
    assert done.data["usage"]["model_calls"] == 2


async def test_what_was_said_long_ago_is_found_by_meaning(bench: Bench) -> None:
    local: JsonObject = {"type": "memory.vector", "parameters": {"collection": "talks", "limit": 1}}
    remembering = await bench.engine.save(workflow(local))
    await answer(bench, remembering, "My invoice of March is wrong.", "I am sorry.")
    await answer(bench, remembering, "What is the weather like in Oslo?", "It rains.")
    await answer(bench, remembering, "Was there a problem with the bill in March?", "Yes.")
    [system, (_, notes), (_, question)] = told(bench)
    assert system == ("system", "Be kind.")
    assert "My invoice of March is wrong.\nAssistant: I am sorry." in notes
    assert "Oslo" not in notes
    assert question == "Was there a problem with the bill in March?"
    await answer(bench, remembering, "What about the invoice?", "Which?", session="bob")
    assert told(bench)[0] == ("system", "Be kind.")


async def test_an_agent_looks_things_up_in_documents(bench: Bench) -> None:
    put: JsonObject = {
        "name": "w",
        "nodes": [
            {"id": "start", "name": "Start", "type": "trigger.manual"},
            {"id": "put", "name": "Put", "type": "ai.retrieve",
             "parameters": {"collection": "rules", "operation": "insert", "id": "leave",
                            "text": "Everybody has thirty days of holiday."}},
        ],
        "connections": [{"from": "start", "to": "put"}],
    }  # fmt: skip
    assert (await bench.engine.finish(await bench.engine.save(put))).status == "completed"
    asks = workflow(BUFFER)
    find: JsonObject = {"collection": "rules", "query": "{{ $fromAI('query', 'What to find') }}"}
    asks["nodes"].append({"id": "find", "name": "F", "type": "ai.retrieve", "parameters": find})
    asks["connections"].append({"from": "find", "to": "agent", "input": "tool"})
    bench.server.script.append(say(calls=[("c1", "find", '{"query": "vacation"}')]))
    assert await answer(bench, await bench.engine.save(asks), "How long?", "Thirty days.")
    [_, result] = [json.dumps(asked.body) for asked in bench.server.asked]
    assert "Everybody has thirty days of holiday." in result


async def test_without_a_session_nobody_is_mixed_up(bench: Bench) -> None:
    ended = await talk(bench, await bench.engine.save(workflow(BUFFER)), "Hi", session="")
    assert ended.error
    assert ended.error["code"] == "session_missing"
    assert bench.server.asked == []


async def test_an_account_of_ones_own_keeps_what_is_said(bench: Bench, redis_url: str) -> None:
    account = account_of(redis_url)
    accounts = Accounts(**account.model_dump())
    own = services(credentials=accounts, network=allowed(account.port), key="k")
    node, parameters = MemoryKv(), KvParameters(session="ada", turns=1, ttl=60)
    talks = [a_talk(message, f"k:{message}") for message in ("One?", "Two?")]
    for one in (*talks, talks[1]):
        await node.remember(parameters, one, f"To {one.question}", own)
    assert await node.recall(parameters, talks[0], own) == Recollection([("Two?", "To Two?")])
    wrong = services(
        credentials=Accounts(**account.model_dump() | {"password": "wrong"}),
        network=allowed(account.port),
    )
    with pytest.raises(NodeError) as caught:
        await node.recall(parameters, talks[0], wrong)
    assert caught.value.failure.code == "login_failed"
    assert not bench.server.asked


async def test_a_short_memory_does_not_grow_for_ever(redis_url: str) -> None:
    shelf = Shelves(redis_url).of("ten_long")
    node, parameters = MemoryKv(), KvParameters(session="ada", scope="tenant")
    talk = a_talk("Newest?", "k:new")
    name = "memory.kv/live/*:ada"
    fields: list[str] = []
    for number in range(200):
        old = {"at": f"2020-01-01T00:00:00.{number:06}", "question": "q", "answer": "a"}
        fields += [f"k:{number:03}", json.dumps(old)]
    account = account_of(redis_url)
    async with connected(allowed(account.port), account) as client:
        await client.ask("HSET", f"flowloom:memory:ten_long:{name}", *fields)
    memory = Memories(Database("postgresql://x@127.0.0.1:1/x", DatabaseRole.APP), SystemClock())
    memory.shelves = Shelves(redis_url)
    own = replace(services(), memory=memory.of("ten_long"))
    await node.remember(parameters, talk, "Yes.", own)
    kept = await shelf.read(name)
    assert len(kept) == 200
    assert "k:new" in kept
    assert "k:000" not in kept


async def test_an_operator_without_redis_is_told_apart() -> None:
    memory = Memories(Database("postgresql://x@127.0.0.1:1/x", DatabaseRole.APP), SystemClock())
    own = replace(services(), memory=memory.of("ten_a"))
    with pytest.raises(NodeError) as caught:
        await MemoryKv().recall(KvParameters(session="ada"), a_talk("Hi", "k"), own)
    assert caught.value.failure.code == "memory_not_configured"


async def test_another_engine_goes_on_and_remembers_once(
    bench: Bench, new_database: Callable[[], Awaitable[str]]
) -> None:
    """The first engine stops at once while the second memory is being told of the answer."""
    server, url = bench.server, await new_database()
    options = WorkerOptions(lease_seconds=2, poll_seconds=0.1)
    async with engine_with_memory(url, server, options) as first:
        workflow_id = await first.save(workflow(BUFFER, VECTOR))
        server.script += [say(), say("It rains."), sent(say(), silent_after=0)]
        run = await first.start(workflow_id, {"message": "And now?", "session_id": "ada"})
        async with asyncio.timeout(SECONDS):
            while len(server.asked) < 3:
                server.was_asked.clear()
                await server.was_asked.wait()
    server.script.append(say())
    async with engine_with_memory(url, server, options) as second:
        ended = await second.ended(run.id)
        rows = await second.query("SELECT question, answer FROM engine.exchanges")
        pieces = await second.query("SELECT text FROM engine.documents")
    assert ended.status == "completed", ended.error
    assert len(server.asked) == 4, "neither the memory nor the model was asked again"
    assert [tuple(row) for row in rows] == [("And now?", "It rains.")]
    assert [row.text for row in pieces] == ["User: And now?\nAssistant: It rains."]


@asynccontextmanager
async def engine_with_memory(
    url: str, server: LlmServer, options: WorkerOptions, redis_url: str = ""
) -> AsyncGenerator[TestEngine]:
    """An engine whose models are on this machine, and which remembers."""
    settings = LlmSettings(
        openai_api_key=SecretStr("k"), openai_base_url=f"{server.url}/v1", llm_max_retries=0
    )
    models, clock = Models(settings), SystemClock()
    app = Database(url, DatabaseRole.APP, size=2)
    shelves = Shelves(redis_url) if redis_url else None
    world = replace(World(NoHttp(), None, models), memories=Memories(app, clock, shelves))
    async with running_engine(url, world=world, options=options) as engine:
        yield engine
    await app.close()
    await models.close()


def a_talk(question: str, key: str) -> Talk:
    run = {"mode": "live", "workflow_id": "wf_1"}
    terms = ModelParameters()
    return Talk(0, {}, question, run, datetime.now(UTC), key, Answering(), terms, Budget())


def allowed(port: int) -> GuardedNetwork:
    return GuardedNetwork(AllowList.parse([f"127.0.0.1:{port}"]))

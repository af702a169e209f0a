"""`ai.embed` and `ai.retrieve`, with a real PostgreSQL, the built-in model and OpenAI's wire."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from engine_service.ai.pieces import pieces
from engine_service.catalogue import builtin
from engine_service.expressions import Evaluator
from engine_service.nodes.ai_embed import AiEmbed
from engine_service.nodes.ai_retrieve import AiRetrieve
from engine_service.running.execute import World
from engine_service.running.remembering import Memories
from engine_service.sdk.node import ActionNode, Failed, Outcome, Services
from engine_service.trial.simulate import Simulator, Trial
from shared.clock import ManualClock
from shared.database import Database
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject, Workflow
from tests.support.engine import NoHttp
from tests.support.llm_server import LlmServer, fail, say
from tests.support.run_node import NOW, given, items, jsons, run_action, services

OPENAI = "openai:text-embedding-3-small"
HANDBOOK: list[JsonObject] = [
    {"id": "leave", "text": "Employees have thirty days of holiday each year.", "kind": "rule"},
    {"id": "bills", "text": "Invoices are paid within fourteen days.", "kind": "rule"},
    {"id": "lunch", "text": "The canteen serves soup on Mondays.", "kind": "news"},
]


@dataclass(frozen=True, slots=True)
class Desk:
    """What nodes work with."""

    services: Services
    server: LlmServer
    clock: ManualClock

    async def run(self, node: type[ActionNode[Any]], parameters: Any, *objects: Any) -> Outcome:
        what = given(node, parameters, items(*(objects or ({},))), now=self.clock.now())
        return await run_action(node, what, self.services)

    async def retrieve(self, parameters: JsonObject, *objects: JsonObject) -> list[JsonObject]:
        return jsons(await self.run(AiRetrieve, {"collection": "c", **parameters}, *objects))

    async def insert(self, *documents: JsonObject, **more: Any) -> list[bool]:
        """Put documents in; for each whether it had to be embedded."""
        each = [
            {
                "collection": "c",
                "operation": "insert",
                "id": one.get("id", ""),
                "text": one["text"],
                "metadata": {"kind": one.get("kind")},
                **more,
            }
            for one in documents
        ]
        made = jsons(await self.run(AiRetrieve, each, *documents))
        return [one["embedded"] for one in made]

    async def find(self, query: str, **more: Any) -> list[str]:
        return [one["id"] for one in await self.retrieve({"query": query, **more})]


@pytest.fixture
async def desk(app_database: Database) -> AsyncIterator[Desk]:
    async with LlmServer() as server:
        settings = LlmSettings(
            openai_api_key=SecretStr("k"), openai_base_url=f"{server.url}/v1", llm_max_retries=0
        )
        models, clock = Models(settings), ManualClock(NOW)
        memory = Memories(app_database, clock).of("ten_r")
        yield Desk(replace(services(models=models), memory=memory), server, clock)
        await models.close()
    async with app_database.transaction("ten_r") as connection:
        await connection.execute(text("DELETE FROM engine.collections"))


async def test_documents_are_found_by_what_they_mean(desk: Desk) -> None:
    assert await desk.insert(*HANDBOOK) == [True] * 3
    assert (await desk.find("How much vacation do I get in a year?", limit=1)) == ["leave"]
    assert (await desk.find("When is an invoice paid?", ranking="cosine"))[0] == "bills"
    [found] = await desk.retrieve({"query": "soup", "limit": 1})
    assert found["text"] == HANDBOOK[2]["text"]
    assert (found["metadata"], found["piece"]) == ({"kind": "news"}, 0)
    assert 0 < found["similarity"] <= 1
    assert await desk.find("soup", where=[{"field": "kind", "value": "rule"}], limit=1) != ["lunch"]


async def test_what_was_found_can_come_as_one_item(desk: Desk) -> None:
    await desk.insert(*HANDBOOK)
    ask: JsonObject = {"query": "invoices", "limit": 2, "result": "list"}
    [one] = await desk.retrieve(ask, {"message": "Invoices?"})
    assert one["message"] == "Invoices?"
    assert next(match["id"] for match in one["matches"]) == "bills"
    assert one["context"] == "\n\n".join(match["text"] for match in one["matches"])
    [none] = await desk.retrieve({**ask, "collection": "nothing"}, {"message": "?"})
    assert (none["matches"], none["context"]) == ([], "")
    assert await desk.retrieve({"query": "x", "collection": "nothing"}) == []


async def test_what_has_not_changed_is_not_embedded_again(desk: Desk) -> None:
    one, other = HANDBOOK[:2]
    desk.server.script += [say(tokens=(9, 0)), say(tokens=(4, 0))]
    assert await desk.insert(one, other, model=OPENAI) == [True, True]
    assert await desk.insert(one, {**other, "kind": "new"}, model=OPENAI) == [False, False]
    assert await desk.insert({**one, "text": "Changed."}, other, model=OPENAI) == [True, False]
    assert [asked.body["input"] for asked in desk.server.asked] == [
        [one["text"], other["text"]], ["Changed."],
    ]  # fmt: skip
    desk.server.script.append(say())
    found = await desk.retrieve({"query": "Changed", "model": OPENAI, "limit": 9})
    assert {row["id"]: row["metadata"]["kind"] for row in found} == {
        "leave": "rule", "bills": "rule",
    }  # fmt: skip


async def test_a_document_without_an_id_is_one_for_each_execution(desk: Desk) -> None:
    text = {"text": "A note."}
    assert await desk.insert(text, text) == [True, True]
    assert await desk.insert(text, text) == [False, False], "the same execution, after a crash"
    assert await desk.find("note") == ["run_1:node:0#0", "run_1:node:0#1"]


async def test_long_documents_are_cut_into_pieces_that_overlap(desk: Desk) -> None:
    long = " ".join(f"word{number}" for number in range(100))
    [made] = await desk.retrieve(
        {"operation": "insert", "id": "long", "text": long, "piece_characters": 200,
         "overlap_characters": 40}
    )  # fmt: skip
    parts = pieces(long, 200, 40)
    assert made["pieces"] == len(parts) > 3
    assert all(len(part) <= 200 for part in parts)
    for before, after in itertools.pairwise(parts):
        assert after.split()[0] in before.split()[-8:]
    await desk.insert({"id": "long", "text": "Short now."})
    assert len(await desk.find("word99 short")) == 1


async def test_documents_are_removed(desk: Desk) -> None:
    await desk.insert(*HANDBOOK)
    delete: JsonObject = {"operation": "delete"}
    assert await desk.retrieve({**delete, "id": "leave"}, {"n": 1}) == [{"n": 1, "deleted": 1}]
    assert await desk.retrieve({**delete, "id": ""}) == [{"deleted": 0}], "nothing is not all"
    kinds = {"where": [{"field": "kind", "operator": "contains", "value": "NEW"}]}
    assert await desk.retrieve({**delete, **kinds}) == [{"deleted": 1}]
    assert await desk.find("anything") == ["bills"]
    assert await desk.retrieve({"operation": "clear"}) == [{"deleted": 1}]
    assert await desk.find("anything") == []


async def test_documents_may_have_an_end(desk: Desk) -> None:
    await desk.insert(HANDBOOK[0], expire_days=2)
    await desk.insert(HANDBOOK[1])
    desk.clock.advance(timedelta(days=3))
    assert await desk.find("days") == ["bills"]


async def test_a_question_of_another_model_is_refused(desk: Desk) -> None:
    await desk.insert(HANDBOOK[0])
    desk.server.script += [say()]
    outcome = await desk.run(AiRetrieve, {"collection": "c", "query": "x", "model": OPENAI})
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("collection_model_differs", False)
    assert await desk.find("holiday", model="local") == ["leave"]


async def test_vectors_come_in_the_order_of_items(desk: Desk) -> None:
    desk.server.script.append(say(tokens=(5, 0)))
    each = [{"text": text, "model": OPENAI} for text in ("a", "four")]
    made = jsons(await desk.run(AiEmbed, each, {}, {}))
    assert made == [
        {"vector": [1, 0], "dimensions": 2, "model": OPENAI},
        {"vector": [4, 1], "dimensions": 2, "model": OPENAI},
    ]
    [local] = jsons(await desk.run(AiEmbed, {"text": "a"}))
    assert (local["dimensions"], local["model"]) == (256, "local:wordllama-256")


@pytest.mark.parametrize("node", [AiEmbed, AiRetrieve])
async def test_a_model_that_fails_is_a_typed_failure(desk: Desk, node: Any) -> None:
    asked = {"text": "a"} if node is AiEmbed else {"collection": "c", "query": "a"}
    desk.server.script.append(fail(503))
    outcome = await desk.run(node, {**asked, "model": OPENAI})
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("model_overloaded", True)
    outcome = await desk.run(node, {**asked, "model": "local:other"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "model_not_configured"


async def test_a_trial_neither_asks_nor_writes() -> None:
    """No models and no memory are there: a touch would be a failure."""
    nodes: list[JsonObject] = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {"id": "put", "name": "Put", "type": "ai.retrieve",
         "parameters": {"collection": "c", "operation": "insert", "text": "{{ $json.text }}"}},
        {"id": "vector", "name": "Vector", "type": "ai.embed", "parameters": {"text": "x"}},
        {"id": "find", "name": "Find", "type": "ai.retrieve",
         "parameters": {"collection": "c", "query": "x"}},
        {"id": "agent", "name": "Agent", "type": "ai.agent", "parameters": {"prompt": "x"}},
        {"id": "memory", "name": "Memory", "type": "memory.buffer"},
    ]  # fmt: skip
    line = ("start", "put", "vector", "find", "agent")
    connections = [
        *({"from": one, "to": other} for one, other in itertools.pairwise(line)),
        {"from": "memory", "to": "agent", "input": "memory"},
    ]
    definition = {"name": "w", "nodes": nodes, "connections": connections}
    evaluator = Evaluator()
    simulator = Simulator(
        builtin(),
        World(NoHttp(), None, None),
        evaluator,
        ManualClock(NOW),
        refusal=lambda _: "",
    )
    trial = Trial(Workflow.model_validate(definition), input=b'{"text": "A text."}')
    report = await simulator.simulate(trial)
    await evaluator.close()
    assert [effect.summary for effect in report.effects] == [
        "Put a document of 7 signs into the collection c",
        "Have local:wordllama-256 make a vector of 1 signs",
        "Look for up to 5 pieces in the collection c",
        "Let an agent do: x",
    ]

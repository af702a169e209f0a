"""Sentences that watch an address lead to runs that do so: against a server that is well or ill."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from agent_service.authors.offline.compose import compose
from agent_service.authors.offline.reader import read
from engine_service.running.execute import World
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.workflow import JsonObject
from tests.support.catalogues import engine_catalogue
from tests.support.engine import TestEngine, running_engine, types
from tests.support.http_server import Answer, Server, serve

SENTENCES = [
    "every weekday at 9 fetch {url} and if it is not ok ask me",
    "every 5 minutes check {url}; if the status is not 200, ask me for approval",
    "GET {url} every hour. If the request fails, ask me.",
    "every hour fetch {url} and ask me when it returns an error",
    "every 5 minutes make sure {url} is up, otherwise ask me",
    "every hour fetch {url}. On failure ask me.",
    "every hour fetch {url}; if ok do nothing, otherwise ask me",
    "every hour fetch {url}, unless it returns 200 ask me",
    "每个工作日早上9点访问 {url}，如果状态不正常就问我",
    "每5分钟检查 {url}，异常时请我审批",
    "每小时请求 {url}，如果状态不是 200 就问我",
    "每小时检查一次 {url}，不是 ok 就问我",
]


@dataclass
class Watched:
    """A server whose `/ok` is well and whose `/ill` is not."""

    server: Server
    engine: TestEngine

    async def asks(self, sentence: str, address: str) -> bool:
        """Whether a run of the workflow that a sentence makes ends up asking somebody."""
        composed = compose(read([sentence.format(url=address)], {}), engine_catalogue())
        definition = _started_by_hand(composed.definition)
        run = await self.engine.start(await self.engine.save(definition))
        history = types(await self.engine.until(run.id, "run.waiting"))
        assert history[-1] in ("run.waiting", "run.completed"), history
        return history[-1] == "run.waiting"


def _started_by_hand(definition: JsonObject) -> JsonObject:
    """The definition with a start that a test can set off."""
    begun = definition["nodes"][0]
    begun |= {"type": "trigger.manual", "parameters": {}}
    for edge in definition["connections"]:
        edge["from"] = "start" if edge["from"] == begun["id"] else edge["from"]
    begun["id"] = "start"
    return definition


@pytest.fixture(scope="module")
async def watched(postgres_url: str) -> AsyncIterator[Watched]:
    def answer(seen: object) -> Answer:
        path = getattr(seen, "path", "")
        return Answer.of_json({"path": path}, 200 if path == "/ok" else 503)

    async with serve(answer) as server:
        network = GuardedHttpClient(AllowList.parse(["127.0.0.1"]))
        async with running_engine(postgres_url, world=World(network, None, None)) as engine:
            yield Watched(server, engine)
        await network.close()


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_somebody_is_asked_about_a_server_that_is_ill_and_not_about_one_that_is_well(
    watched: Watched, sentence: str
) -> None:
    assert await watched.asks(sentence, f"{watched.server.url}/ill")
    assert not await watched.asks(sentence, f"{watched.server.url}/ok")


@pytest.mark.long
@pytest.mark.parametrize("sentence", [SENTENCES[0], SENTENCES[1], SENTENCES[9]])
async def test_a_server_that_gives_no_answer_is_not_ok_either(
    watched: Watched, sentence: str
) -> None:
    async with serve(lambda _: Answer(raw=b"", close=True)) as mute:
        assert await watched.asks(sentence, mute.url)

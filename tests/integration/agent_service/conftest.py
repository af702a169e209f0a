"""The agent as its callers know it: a real process' worth of it, over gRPC, on real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from agent_service.server import Agent, build
from agent_service.settings import Settings
from shared.clock import SystemClock
from shared.identity import Principal
from shared.pb.flowloom.agent.v1 import (
    consultant_service_pb2,
    consultant_service_pb2_grpc,
    knowledge_service_pb2,
    knowledge_service_pb2_grpc,
    session_pb2,
    session_service_pb2,
    session_service_pb2_grpc,
)
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.rpc import call
from shared.rpc.client import connect
from tests.support.fake_engine import FakeEngine, serving

MESH_SECRET = "a secret of at least thirty-two characters"
SERVICES = (
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
    consultant_service_pb2.DESCRIPTOR.services_by_name["ConsultantService"],
    knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"],
)
ALICE = Principal(tenant_id="tenant-a", subject="alice", email="alice@example.com")
MALLORY = Principal(tenant_id="tenant-b", subject="mallory")


@dataclass
class Heard:
    """The events of a turn, as they arrived."""

    events: list[session_pb2.SessionEvent] = field(default_factory=list[session_pb2.SessionEvent])

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]

    @property
    def stages(self) -> list[str]:
        return [self.data(event)["stage"] for event in self.events if event.type == "stage.changed"]

    def data(self, event: session_pb2.SessionEvent) -> dict[str, Any]:
        return json.loads(event.data.json)

    def one(self, event_type: str) -> dict[str, Any]:
        (event,) = [event for event in self.events if event.type == event_type]
        return self.data(event)

    @property
    def said(self) -> str:
        return "\n".join(
            self.data(event)["text"] for event in self.events if event.type == "message.completed"
        )

    @property
    def end(self) -> dict[str, Any]:
        return self.one("turn.completed")


class Client:
    """What a caller does with the agent."""

    def __init__(self, channel: grpc.aio.Channel, principal: Principal) -> None:
        self.channel = channel
        self.principal = principal
        self.sessions = session_service_pb2_grpc.SessionServiceStub(channel)
        self.consultant = consultant_service_pb2_grpc.ConsultantServiceStub(channel)
        self.knowledge = knowledge_service_pb2_grpc.KnowledgeServiceStub(channel)

    async def new_session(self, workflow_id: str = "", mode: str = "create") -> str:
        with self.acting():
            answer = await self.sessions.CreateSession(
                session_service_pb2.CreateSessionRequest(
                    mode=session_pb2.SessionMode.Value(f"SESSION_MODE_{mode.upper()}"),
                    workflow_id=workflow_id,
                )
            )
        return answer.session.id

    async def say(
        self,
        session_id: str,
        text: str,
        answers: Mapping[str, Any] | None = None,
        *,
        auto: bool = False,
        key: str = "",
    ) -> Heard:
        request = consultant_service_pb2.ConverseRequest(
            session_id=session_id, text=text, auto=auto, idempotency_key=key
        )
        if answers is not None:
            request.answers.CopyFrom(Document(json=json.dumps(answers).encode()))
        return await self.hear(self.consultant.Converse, request)

    async def watch(self, session_id: str, after: int = 0) -> Heard:
        request = session_service_pb2.WatchSessionRequest(
            session_id=session_id, after_sequence=after
        )
        return await self.hear(self.sessions.WatchSession, request)

    async def hear(self, method: Any, request: Any) -> Heard:
        heard = Heard()
        with self.acting():
            async for answer in method(request):
                heard.events.extend(answer.events)
        return heard

    def acting(self) -> Any:
        return call.use(call.Call(principal=self.principal))


@asynccontextmanager
async def agent_process(settings: Settings) -> AsyncGenerator[Agent]:
    """An agent that serves in this process, as `serve` would have it."""
    clock = SystemClock()
    async with build(settings, clock) as agent:
        running = asyncio.create_task(agent.run(clock))
        await agent.started.wait()
        try:
            yield agent
        finally:
            agent.stop()
            await running


def client_of(address: str, principal: Principal) -> tuple[grpc.aio.Channel, Client]:
    channel = connect(address, SERVICES, MESH_SECRET)
    return channel, Client(channel, principal)


@pytest.fixture(scope="module")
async def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
async def engine_address(engine: FakeEngine) -> AsyncIterator[str]:
    async with serving(engine, MESH_SECRET) as address:
        yield address


def settings_for(postgres_url: str, engine_address: str, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": postgres_url,
        "mesh_secret": MESH_SECRET,
        "engine_address": engine_address,
        "agent_port": 0,
        "drain_seconds": 1,
        "agent_lease_seconds": 2,
        "openai_api_key": "",
        "agent_models": "",
        **more,
    }
    return Settings.model_validate(values)


@pytest.fixture(scope="module")
async def agent(postgres_url: str, engine_address: str) -> AsyncIterator[Agent]:
    async with agent_process(settings_for(postgres_url, engine_address)) as running:
        yield running


@pytest.fixture(scope="module")
async def alice(agent: Agent) -> AsyncIterator[Client]:
    channel, client = client_of(f"127.0.0.1:{agent.port}", ALICE)
    yield client
    await channel.close()


@pytest.fixture(scope="module")
async def mallory(agent: Agent) -> AsyncIterator[Client]:
    channel, client = client_of(f"127.0.0.1:{agent.port}", MALLORY)
    yield client
    await channel.close()

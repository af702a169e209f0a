"""Where the agent begins: everything is built here, by hand, in order; then it serves and drains.

settings → schema → databases → engine → library → author → graph → turns → servicers → gRPC. The
library is filled while it serves already, since a search that finds little is better than none. On
SIGTERM health says NOT_SERVING first, no more turns are begun, those under way get some time, the
rest is handed over to whoever takes it up, and calls get a moment to finish.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
import uvloop
from pydantic import ValidationError

from agent_service import graph
from agent_service.authors.hiring import open_agency
from agent_service.checkpoints import Checkpoints
from agent_service.engine import SERVICES, Engine
from agent_service.history import History
from agent_service.knowledge.embedders import open_embedder
from agent_service.knowledge.library import KnowledgeLibrary
from agent_service.knowledge.upkeep import keep_filled
from agent_service.servicers.consultant import ConsultantServicer
from agent_service.servicers.knowledge import KnowledgeServicer
from agent_service.servicers.sessions import SessionServicer
from agent_service.settings import Settings
from agent_service.turns import Limits, Turns
from agent_service.work import Work, Workshop
from shared import telemetry
from shared.clock import Clock, SystemClock
from shared.database import Database, DatabaseRole, ensure_schema
from shared.errors import AppError
from shared.identity import Principal, Role
from shared.llms import Models
from shared.metrics import serve_metrics
from shared.pb.flowloom.agent.v1 import consultant_service_pb2_grpc as consultant_grpc
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2_grpc as knowledge_grpc
from shared.pb.flowloom.agent.v1 import session_service_pb2_grpc as sessions_grpc
from shared.rpc.client import connect
from shared.rpc.server import RpcServer, Service
from shared.tracing import spans

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
_ITSELF = Principal(tenant_id="flowloom", subject="agent", role=Role.VIEWER)
_GRACE_SECONDS = 3.0


class Agent:
    """An agent, built; `run` serves until `stop`.

    Attributes:
        started: Set once it serves.
    """

    def __init__(
        self,
        turns: Turns,
        history: History,
        library: KnowledgeLibrary,
        engine: Engine,
        server: RpcServer,
        drain_seconds: float,
    ) -> None:
        self._turns = turns
        self._history = history
        self._library = library
        self._engine = engine
        self._server = server
        self._drain_seconds = drain_seconds
        self._stopping = asyncio.Event()
        self.started = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it serves on."""
        return self._server.port

    async def run(self, clock: Clock) -> None:
        """Serve until told to stop, then come to an end in good order."""
        async with asyncio.TaskGroup() as background:
            loops = [
                background.create_task(self._turns.run()),
                background.create_task(self._history.notifications.run()),
                background.create_task(keep_filled(self._library, self._engine, clock)),
            ]
            await self._server.start()
            self.started.set()
            log.info("serving", port=self.port)
            await self._stopping.wait()
            await self._server.drain()
            await self._turns.drain(self._drain_seconds)
            await self._server.stop(_GRACE_SECONDS)
            for loop in loops:
                loop.cancel()
        log.info("stopped")

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stopping.set()


@asynccontextmanager
async def build(settings: Settings, clock: Clock) -> AsyncGenerator[Agent]:
    """Everything an agent is made of; closed when the block ends.

    Raises:
        Unavailable: PostgreSQL is away.
        InvalidInput: A setting names what there is not.
    """
    url = settings.database_url.get_secret_value()
    secret = settings.mesh_secret.get_secret_value()
    await ensure_schema(url, MIGRATIONS, "agent")
    async with AsyncExitStack() as stack:
        database = Database(url, DatabaseRole.APP)
        stack.push_async_callback(database.close)
        worker = Database(url, DatabaseRole.WORKER, size=2)
        stack.push_async_callback(worker.close)
        channel = connect(settings.engine_address, SERVICES, secret, fallback=_ITSELF)
        stack.push_async_callback(channel.close)
        models, embedder = Models(settings), open_embedder(settings)
        stack.push_async_callback(models.close)
        stack.push_async_callback(embedder.close)
        checkpoints = Checkpoints(url)
        await checkpoints.open()
        stack.push_async_callback(checkpoints.close)

        engine = Engine(channel, clock)
        threshold = settings.rag_similarity_threshold
        library = KnowledgeLibrary(database, worker, embedder, threshold, clock)
        history = History(database, clock)
        workshop = Workshop(
            hire=open_agency(settings, models, engine),
            engine=engine,
            library=library,
            conversation=graph.build(checkpoints.saver, settings.agent_max_repairs),
            checkpoints=checkpoints,
            max_repairs=settings.agent_max_repairs,
        )
        limits = Limits(settings.agent_max_turns, settings.agent_lease_seconds)
        work = Work(database, history, workshop, clock)
        turns = Turns(database, worker, history, work, limits, clock)
        sessions = SessionServicer(database, history, turns, engine, checkpoints, clock)
        services = (
            _service(sessions_grpc, sessions),
            _service(consultant_grpc, ConsultantServicer(turns, history)),
            _service(knowledge_grpc, KnowledgeServicer(library)),
        )
        server = RpcServer(services, secret, f"{settings.agent_host}:{settings.agent_port}")
        yield Agent(turns, history, library, engine, server, settings.drain_seconds)


def _service(module: ModuleType, servicer: Any) -> Service:
    """A servicer with the name and the add function that its generated module has for it."""
    name = type(servicer).__name__.removesuffix("Servicer") + "Service"
    return Service(
        f"flowloom.agent.v1.{name}", servicer, getattr(module, f"add_{name}Servicer_to_server")
    )


async def serve(settings: Settings) -> None:
    """Serve until told to stop by a signal."""
    clock = SystemClock()
    async with build(settings, clock) as agent:
        if settings.agent_metrics_port:
            serve_metrics(settings.agent_metrics_port, settings.agent_host)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, agent.stop)
        await agent.run(clock)


def main() -> int:
    """Run the agent as the environment says; the process's exit status."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] (its values are the environment's)
    except ValidationError as error:
        for finding in error.errors(include_url=False, include_input=False):
            name = "_".join(map(str, finding["loc"])).upper()
            sys.stderr.write(f"{name}: {finding['msg']}\n")
        return 2
    telemetry.configure("agent", settings.log_level, settings.log_format)
    spans.switch_on("agent", settings)
    try:
        uvloop.run(serve(settings))
    except AppError as error:
        log.error("not_started", reason=error.code, message=error.message)
        return 1
    finally:
        spans.switch_off()
    return 0

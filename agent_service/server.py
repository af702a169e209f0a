"""Where the agent begins: settings → database → engine → library → author → graph → gRPC server.

It serves as soon as it can talk; the library is filled beside that, since a search that finds
little is better than none. On SIGTERM it takes no new turns, gives those under way some time, hands
the rest over and closes everything in the opposite order.
"""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from agent_service import graph
from agent_service.authors.hiring import open_agency
from agent_service.checkpoints import Checkpoints
from agent_service.engine import SERVICES, Engine
from agent_service.history import History
from agent_service.knowledge.embedders import open_embedder
from agent_service.knowledge.library import KnowledgeLibrary
from agent_service.knowledge.upkeep import keep_filled
from agent_service.servicers.consultant import Consultant
from agent_service.servicers.knowledge import Knowledge
from agent_service.servicers.sessions import Sessions
from agent_service.settings import Settings
from agent_service.turns import Limits, Turns
from agent_service.work import Work, Workshop
from shared import telemetry
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole, migrate
from shared.identity import Principal, Role
from shared.llms import Models
from shared.pb.flowloom.agent.v1 import (
    consultant_service_pb2_grpc,
    knowledge_service_pb2_grpc,
    session_service_pb2_grpc,
)
from shared.rpc.client import connect
from shared.rpc.server import RpcServer, Service

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = "agent"
_ITSELF = Principal(tenant_id="flowloom", subject="agent", role=Role.VIEWER)
_GRACE_SECONDS = 3.0


async def serve(settings: Settings) -> None:
    """Run the agent until it is told to stop."""
    url = settings.database_url.get_secret_value()
    mesh_secret = settings.mesh_secret.get_secret_value()
    clock = SystemClock()
    await migrate(url, MIGRATIONS, SCHEMA)
    async with AsyncExitStack() as stack:
        database = Database(url, DatabaseRole.APP)
        stack.push_async_callback(database.close)
        worker = Database(url, DatabaseRole.WORKER, size=2)
        stack.push_async_callback(worker.close)
        channel = connect(settings.engine_address, SERVICES, mesh_secret, fallback=_ITSELF)
        stack.push_async_callback(channel.close)
        engine = Engine(channel, clock)
        embedder = open_embedder(settings)
        stack.push_async_callback(embedder.close)
        library = KnowledgeLibrary(
            database, worker, embedder, settings.rag_similarity_threshold, clock
        )
        checkpoints = Checkpoints(url)
        await checkpoints.open()
        stack.push_async_callback(checkpoints.close)
        history = History(database, clock)
        models = Models(settings)
        stack.push_async_callback(models.close)
        workshop = Workshop(
            hire=open_agency(settings, models, engine),
            engine=engine,
            library=library,
            conversation=graph.build(checkpoints.saver, settings.agent_max_repairs),
            checkpoints=checkpoints,
            max_repairs=settings.agent_max_repairs,
        )
        work = Work(database, history, workshop, clock)
        limits = Limits(settings.agent_max_turns, settings.agent_lease_seconds)
        turns = Turns(database, worker, history, work, limits, clock)
        server = RpcServer(
            [
                Service(
                    "flowloom.agent.v1.SessionService",
                    Sessions(database, history, turns, engine, checkpoints, clock),
                    session_service_pb2_grpc.add_SessionServiceServicer_to_server,
                ),
                Service(
                    "flowloom.agent.v1.ConsultantService",
                    Consultant(turns, history),
                    consultant_service_pb2_grpc.add_ConsultantServiceServicer_to_server,
                ),
                Service(
                    "flowloom.agent.v1.KnowledgeService",
                    Knowledge(library),
                    knowledge_service_pb2_grpc.add_KnowledgeServiceServicer_to_server,
                ),
            ],
            mesh_secret,
            f"{settings.agent_host}:{settings.agent_port}",
        )
        async with asyncio.TaskGroup() as background:
            loops = [
                background.create_task(turns.run()),
                background.create_task(history.listen()),
                background.create_task(keep_filled(library, engine, clock)),
            ]
            await server.start()
            log.info("serving", port=server.port)
            await _told_to_stop()
            await server.drain()
            await turns.drain(settings.drain_seconds)
            await server.stop(_GRACE_SECONDS)
            for loop in loops:
                loop.cancel()
    log.info("stopped")


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


def main() -> None:
    """Read the settings and serve."""
    settings = Settings()  # pyright: ignore[reportCallIssue] (from the environment)
    telemetry.configure("agent", settings.log_level, settings.log_format)
    asyncio.run(serve(settings))

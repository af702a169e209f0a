"""Where the engine starts: everything is built here, by hand, in order; then it serves and drains.

settings → schema → databases → what nodes touch the world with → worker → servicers → gRPC. On
SIGTERM health says NOT_SERVING first, then no more runs are taken up, what is under way comes to
its end or is handed over, followers are sent away, and calls get a moment to finish.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
import uvloop
from pydantic import ValidationError

from engine_service.asking.delivery import Delivery
from engine_service.asking.links import Links
from engine_service.asking.postman import Postman
from engine_service.blobs.collecting import Collector
from engine_service.blobs.keeper import BlobLimits, Keeper
from engine_service.blobs.objects import Objects
from engine_service.blobs.showing import Results
from engine_service.catalogue import Catalogue, builtin
from engine_service.code.sandbox import Sandbox
from engine_service.definitions.startable import Startables
from engine_service.expressions import Evaluator
from engine_service.running.execute import World
from engine_service.running.keeping import Limits
from engine_service.running.remembering import Memories
from engine_service.running.repeating import Repeating
from engine_service.running.shelves import Shelves
from engine_service.running.spending import Spending
from engine_service.running.tables import Tables
from engine_service.running.worker import Databases, Worker, WorkerOptions
from engine_service.servicers.approvals import ApprovalServicer
from engine_service.servicers.credentials import CredentialServicer
from engine_service.servicers.node_types import NodeTypeServicer
from engine_service.servicers.runs import RunServicer
from engine_service.servicers.simulation import SimulationServicer
from engine_service.servicers.tools import Desk, ToolServicer
from engine_service.servicers.triggers import TriggerServicer
from engine_service.servicers.usage import UsageServicer
from engine_service.servicers.variables import VariableServicer
from engine_service.servicers.versions import VersionServicer
from engine_service.servicers.workflows import WorkflowServicer
from engine_service.settings import Settings
from engine_service.store.line import set_defaults
from engine_service.trial.simulate import Simulator
from engine_service.triggering.hooks import Listeners
from engine_service.triggering.poller import Means, Poller
from engine_service.triggering.scheduler import Scheduler
from engine_service.vault.connecting import Connecting
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from engine_service.vault.tenant_models import TenantModels
from engine_service.vault.trying import Trying
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from engine_service.web.outgoing import GuardedHttpClient
from shared import telemetry
from shared.clock import Clock, SystemClock
from shared.database import Database, DatabaseRole, ensure_schema
from shared.errors import AppError
from shared.metrics import serve_metrics
from shared.pb.flowloom.engine.v1 import approval_service_pb2_grpc as approvals_grpc
from shared.pb.flowloom.engine.v1 import credential_service_pb2_grpc as credentials_grpc
from shared.pb.flowloom.engine.v1 import node_type_service_pb2_grpc as node_types_grpc
from shared.pb.flowloom.engine.v1 import run_service_pb2_grpc as runs_grpc
from shared.pb.flowloom.engine.v1 import simulation_service_pb2_grpc as simulation_grpc
from shared.pb.flowloom.engine.v1 import tool_service_pb2_grpc as tools_grpc
from shared.pb.flowloom.engine.v1 import trigger_service_pb2_grpc as triggers_grpc
from shared.pb.flowloom.engine.v1 import usage_service_pb2_grpc as usage_grpc
from shared.pb.flowloom.engine.v1 import variable_service_pb2_grpc as variables_grpc
from shared.pb.flowloom.engine.v1 import version_service_pb2_grpc as versions_grpc
from shared.pb.flowloom.engine.v1 import workflow_service_pb2_grpc as workflows_grpc
from shared.rpc.server import RpcServer, Service
from shared.tracing import spans

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
_GRACE_SECONDS = 3.0
_MOST_IN_ROWS = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, built and not yet running."""

    worker: Worker
    scheduler: Scheduler
    postman: Postman
    poller: Poller
    collector: Collector | None
    services: tuple[Service, ...]


@asynccontextmanager
async def build(settings: Settings) -> AsyncGenerator[Engine]:
    """Everything an engine is made of; closed when the block ends.

    Raises:
        Unavailable: PostgreSQL is away.
        ValueError: A setting cannot be used.
    """
    url = settings.database_url.get_secret_value()
    await ensure_schema(url, MIGRATIONS, "engine")
    clock, catalogue = SystemClock(), builtin()
    databases = _databases(url, settings.engine_database_connections)
    await _set_defaults(settings, databases.worker)
    allowed = AllowList.parse(settings.engine_allowed_hosts.split(","))
    http, network = GuardedHttpClient(allowed), GuardedNetwork(allowed)
    sandbox, models, evaluator = Sandbox(), TenantModels(settings, http.sdk_transport), Evaluator()
    vault = Vault.parse(settings.engine_credential_keys.get_secret_value())
    keychain = Keychain(databases.app, vault, http, clock)
    secret = settings.mesh_secret.get_secret_value()
    connecting = Connecting(databases.app, keychain, http, clock, secret)
    keeper = _keeper(settings, databases.app, clock)
    spending, tables = Spending(databases.worker, clock), Tables(databases.app, clock)
    memories = Memories(databases.app, clock, _shelves(settings))
    world = World(http, sandbox, models, keychain, network, keeper, spending)
    world = replace(world, tables=tables, memories=memories)
    links = Links(secret, settings.engine_public_url, clock)
    mail = Delivery(http, network, clock), links
    worker = Worker(databases, catalogue, world, evaluator, clock, _options(settings))
    journal, feed, heard = worker.journal, worker.feed, worker.notifications
    postman = Postman(databases.worker, heard, keychain, *mail, clock)
    results = Results(keeper)
    desk = Desk(journal, feed, results)
    listeners = Listeners(databases.worker, catalogue)
    simulator = _simulator(catalogue, replace(world, calls=worker.calls), evaluator, http)
    repeating = Repeating(databases, Startables(catalogue), worker.programs)
    services = (
        _service(workflows_grpc, WorkflowServicer(databases.app, catalogue, clock)),
        _service(versions_grpc, VersionServicer(databases.app, clock)),
        _service(runs_grpc, RunServicer(databases, repeating, journal, feed, results, clock)),
        _service(
            triggers_grpc, TriggerServicer(databases.app, listeners, journal, feed, results, clock)
        ),
        _service(tools_grpc, ToolServicer(databases.app, catalogue, desk, clock)),
        _service(usage_grpc, UsageServicer(databases.app, clock)),
        _service(approvals_grpc, ApprovalServicer(databases.app, links, clock)),
        _service(node_types_grpc, NodeTypeServicer(catalogue)),
        _service(
            credentials_grpc,
            CredentialServicer(databases.app, keychain, connecting, Trying(http, network), clock),
        ),
        _service(variables_grpc, VariableServicer(databases.app, clock)),
        _service(simulation_grpc, SimulationServicer(simulator, databases.app)),
    )
    try:
        yield Engine(
            worker,
            Scheduler(databases.worker, heard, catalogue, clock),
            postman,
            Poller(databases.worker, heard, catalogue, Means(http, network, keychain), clock),
            Collector(databases.worker, keeper.objects, clock) if keeper else None,
            services,
        )
    finally:
        for part in (evaluator, sandbox, models, http, databases.app, databases.worker):
            await part.close()
        if keeper is not None:
            await keeper.close()


def _databases(url: str, size: int) -> Databases:
    return Databases(
        Database(url, DatabaseRole.APP, size), Database(url, DatabaseRole.WORKER, size)
    )


def _limits(settings: Settings) -> Limits:
    most = settings.engine_output_bytes
    if not settings.engine_blob_url:
        most = min(most, _MOST_IN_ROWS)
    return Limits(most, settings.engine_node_seconds, settings.engine_inline_bytes)


def _shelves(settings: Settings) -> Shelves | None:
    url = settings.redis_url.get_secret_value()
    return Shelves(url) if url else None


def _keeper(settings: Settings, database: Database, clock: Clock) -> Keeper | None:
    if not settings.engine_blob_url:
        return None
    limits = BlobLimits(
        settings.engine_blob_bytes,
        settings.engine_blob_bytes_per_run,
        settings.engine_blob_bytes_per_tenant,
    )
    return Keeper(database, Objects(settings.engine_blob_url), clock, limits)


def _simulator(
    catalogue: Catalogue, world: World, evaluator: Evaluator, http: GuardedHttpClient
) -> Simulator:
    """What tries definitions out: it keeps no files, and asks of requests only whether they may."""
    tried = replace(world, files=None, tables=None, memories=None)
    return Simulator(catalogue, tried, evaluator, SystemClock(), refusal=http.refusal)


async def _set_defaults(settings: Settings, worker: Database) -> None:
    """Say what holds for tenants of whom the database says nothing else."""
    async with worker.transaction() as connection:
        await set_defaults(
            connection,
            runs=settings.engine_tenant_runs or None,
            keep_days=settings.engine_keep_days or None,
            keep_runs=settings.engine_keep_runs or None,
        )


def _options(settings: Settings) -> WorkerOptions:
    return WorkerOptions(
        runs=settings.engine_runs,
        effects=settings.engine_effects,
        effects_per_run=settings.engine_effects_per_run,
        lease_seconds=settings.engine_lease_seconds,
        poll_seconds=settings.engine_poll_seconds,
        limits=_limits(settings),
        expression_env=settings.engine_expression_env,
        lag_log_seconds=settings.engine_lag_log_seconds,
    )


def _service(module: ModuleType, servicer: Any) -> Service:
    """A servicer with the name and the add function that its generated module has for it."""
    name = type(servicer).__name__.removesuffix("Servicer") + "Service"
    return Service(
        f"flowloom.engine.v1.{name}", servicer, getattr(module, f"add_{name}Servicer_to_server")
    )


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    async with build(settings) as engine:
        address = f"{settings.engine_host}:{settings.engine_port}"
        server = RpcServer(engine.services, settings.mesh_secret.get_secret_value(), address)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(engine.worker.run())
            upkeep = [
                group.create_task(engine.scheduler.run()),
                group.create_task(engine.postman.run()),
                group.create_task(engine.poller.run()),
            ]
            if engine.collector is not None:
                upkeep.append(group.create_task(engine.collector.run()))
            await server.start()
            if settings.engine_metrics_port:
                serve_metrics(settings.engine_metrics_port, settings.engine_host)
            log.info("serving", port=server.port, worker=engine.worker.name)
            await stopping.wait()
            log.info("draining")
            await server.drain()
            for task in upkeep:
                task.cancel()
            await engine.worker.drain(settings.drain_seconds)
            engine.worker.feed.close()
            await server.stop(_GRACE_SECONDS)
            work.cancel()


def main() -> int:
    """Run the engine; how it ended, as an exit code."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
    except ValidationError as error:
        sys.stderr.write(f"The engine's settings are not right.\n{error}\n")
        return 2
    settings.forget_secrets()  # the engine starts programs that run other people's code
    telemetry.configure("engine", settings.log_level, settings.log_format)
    spans.switch_on("engine", settings)
    try:
        uvloop.run(serve(settings))
    except (AppError, ValueError) as error:
        log.error("not_started", error=str(error))
        return 1
    finally:
        spans.switch_off()
    return 0

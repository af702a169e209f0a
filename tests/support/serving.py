"""Some of the engine's services on a real socket, and who calls them."""

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc

from shared.identity import Principal, Role
from shared.rpc import call
from shared.rpc.client import connect
from shared.rpc.server import RpcServer, Service

SECRET = "s" * 32
MIGRATIONS = Path(__file__).parents[2] / "engine_service" / "migrations"

ADA = Principal(tenant_id="ten_a", subject="ada", role=Role.OWNER, email="ada@example.com")
BOB = Principal(tenant_id="ten_b", subject="bob", role=Role.OWNER, email="bob@example.com")


@contextmanager
def acting_as(principal: Principal | None) -> Generator[None]:
    """Make calls as somebody."""
    with call.use(call.Call(principal=principal, request_id="req_test")):
        yield


@asynccontextmanager
async def serving(
    directory: Path, services: Iterable[tuple[Any, str, Any]]
) -> AsyncGenerator[grpc.aio.Channel]:
    """Serve and call over a socket; a service is (its pb2_grpc module, its name, its servicer)."""
    listed = [
        Service(
            f"flowloom.engine.v1.{name}",
            servicer,
            getattr(module, f"add_{name}Servicer_to_server"),
        )
        for module, name, servicer in services
    ]
    async with serving_services(directory, listed) as channel:
        yield channel


@asynccontextmanager
async def serving_services(
    directory: Path, services: Iterable[Service]
) -> AsyncGenerator[grpc.aio.Channel]:
    """Serve and call over a socket."""
    address = f"unix:{directory}/engine.sock"
    server = RpcServer(services, SECRET, address)
    await server.start()
    channel = connect(address, [], SECRET)
    yield channel
    await channel.close()
    await server.stop(grace=0)

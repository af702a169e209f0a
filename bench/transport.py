"""What the door costs: the same question over REST and over gRPC alone."""

import asyncio
import statistics
import time

from bench.load import send
from bench.mesh import Mesh
from bench.table import Figure
from shared.identity import Principal
from shared.pb.flowloom.engine.v1 import node_type_service_pb2, node_type_service_pb2_grpc
from shared.rpc import call
from shared.rpc.client import connect

_SERVICE = node_type_service_pb2.DESCRIPTOR.services_by_name["NodeTypeService"]
_ROUNDS = 3
_REQUESTS = 3000
_IN_FLIGHT = 50


async def measure(mesh: Mesh, mesh_secret: str) -> list[Figure]:
    """Get one node type, through the gateway and straight from the engine."""
    direct = statistics.median([await _direct(mesh, mesh_secret) for _ in range(_ROUNDS)])
    loads = [
        await send(
            f"{mesh.url}/v1/node-types/flow.noop",
            requests=_REQUESTS,
            in_flight=_IN_FLIGHT,
            headers={"authorization": mesh.client.headers["authorization"]},
        )
        for _ in range(_ROUNDS)
    ]
    through = statistics.median(load.per_second for load in loads)
    p50 = statistics.median(load.percentile(0.5) for load in loads) * 1000
    return [
        Figure(
            "REST → gRPC → REST, 50 in flight", f"{through:,.0f} requests/s", f"p50 {p50:.1f} ms"
        ),
        Figure("gRPC alone, 50 in flight", f"{direct:,.0f} requests/s"),
    ]


async def _direct(mesh: Mesh, mesh_secret: str) -> float:
    engine = mesh.record["engine_addresses"][0]
    request = node_type_service_pb2.GetNodeTypeRequest(type="flow.noop")
    async with connect(engine, [_SERVICE], mesh_secret) as channel:
        stub = node_type_service_pb2_grpc.NodeTypeServiceStub(channel)

        async def client() -> None:
            for _ in range(_REQUESTS // _IN_FLIGHT):
                await stub.GetNodeType(request)

        begun_at = time.perf_counter()
        with call.use(call.Call(principal=Principal(tenant_id="bench", subject="bench"))):
            await asyncio.gather(*(client() for _ in range(_IN_FLIGHT)))
    return _REQUESTS / (time.perf_counter() - begun_at)

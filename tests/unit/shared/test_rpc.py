"""Our gRPC, over a real socket: identity, errors, deadlines, retries, health."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    KINDS,
    AppError,
    Conflict,
    Forbidden,
    Internal,
    InvalidInput,
    Unauthenticated,
    Unavailable,
    Violation,
)
from shared.identity import METADATA_KEY, Principal, Role, sign, verify
from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc
from shared.rpc import call
from shared.rpc.client import connect
from shared.rpc.server import RpcServer, Service

SECRET = "s" * 32
OTHER_SECRET = "t" * 32
ADA = Principal(tenant_id="ten_a", subject="ada", role=Role.OPERATOR)
DESCRIPTOR = run_service_pb2.DESCRIPTOR.services_by_name["RunService"]


@dataclass
class ScriptedRuns(run_service_pb2_grpc.RunServiceServicer):
    """Does what a test tells it, and remembers the calls it saw."""

    behave: Callable[[], None] = lambda: None
    seen: list[call.Call] = field(default_factory=list[call.Call])

    async def GetRun(self, request: Any, context: Any) -> run_service_pb2.GetRunResponse:
        self.seen.append(call.current())
        self.behave()
        return run_service_pb2.GetRunResponse(run=run_pb2.Run(id=request.run_id))

    async def CancelRun(self, request: Any, context: Any) -> run_service_pb2.CancelRunResponse:
        self.seen.append(call.current())
        self.behave()
        return run_service_pb2.CancelRunResponse()

    async def WatchRun(
        self, request: Any, context: Any
    ) -> AsyncIterator[run_service_pb2.WatchRunResponse]:
        yield run_service_pb2.WatchRunResponse(events=[run_pb2.RunEvent(sequence=1)])
        self.behave()


@dataclass
class Mesh:
    address: str
    runs: ScriptedRuns
    server: RpcServer

    channels: list[grpc.aio.Channel] = field(default_factory=list[grpc.aio.Channel])

    def stub(self, secret: str = SECRET) -> "run_service_pb2_grpc.RunServiceAsyncStub":
        channel = connect(self.address, [DESCRIPTOR], secret)
        self.channels.append(channel)
        return run_service_pb2_grpc.RunServiceStub(channel)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncGenerator[Mesh]:
    runs = ScriptedRuns()  # pyright: ignore[reportAbstractUsage] (the rest stays unimplemented)
    address = f"unix:{tmp_path}/mesh.sock"
    add = run_service_pb2_grpc.add_RunServiceServicer_to_server
    server = RpcServer([Service(DESCRIPTOR.full_name, runs, add)], SECRET, address)
    await server.start()
    mesh = Mesh(address, runs, server)
    yield mesh
    for channel in mesh.channels:
        await channel.close()
    await server.stop(grace=0)


def raising(error: Exception) -> Callable[[], None]:
    def behave() -> None:
        raise error

    return behave


async def get(mesh: Mesh, secret: str = SECRET) -> run_pb2.Run:
    with call.use(call.Call(principal=ADA, request_id="req_1", traceparent="00-aa-bb-01")):
        return (await mesh.stub(secret).GetRun(run_service_pb2.GetRunRequest(run_id="run_1"))).run


async def test_the_caller_the_request_id_and_the_trace_arrive(mesh: Mesh) -> None:
    assert (await get(mesh)).id == "run_1"
    [seen] = mesh.runs.seen
    assert (seen.principal, seen.request_id, seen.traceparent) == (ADA, "req_1", "00-aa-bb-01")


async def test_a_call_without_identity_is_refused_before_the_use_case(mesh: Mesh) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await mesh.stub().GetRun(run_service_pb2.GetRunRequest())
    assert caught.value.code == "IDENTITY_MISSING"
    assert mesh.runs.seen == []


async def test_a_forged_identity_is_refused(mesh: Mesh) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await get(mesh, secret=OTHER_SECRET)
    assert caught.value.code == "IDENTITY_INVALID"


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant_id": "ten_a", "subject": "ada", "role": "owner"},
        {"tenant_id": "ten_a", "subject": "ada", "role": "god", "exp": 9_999_999_999},
        {"subject": "ada", "role": "owner", "exp": 9_999_999_999},
        {"tenant_id": "ten_a", "subject": "ada", "role": "owner", "exp": 1},
    ],
    ids=["never expires", "unknown role", "no tenant", "expired"],
)
def test_an_identity_that_lacks_something_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        verify(jwt.encode(claims, SECRET, algorithm="HS256"), SECRET)


def test_an_unsigned_identity_is_refused() -> None:
    claims = {**ADA.model_dump(), "exp": 9_999_999_999}
    with pytest.raises(Unauthenticated):
        verify(jwt.encode(claims, "", algorithm="none"), SECRET)


@given(st.text(), st.text(), st.sampled_from(Role), st.text())
def test_an_identity_survives_signing(tenant_id: str, subject: str, role: Role, email: str) -> None:
    principal = Principal(tenant_id=tenant_id, subject=subject, role=role, email=email)
    assert verify(sign(principal, SECRET), SECRET) == principal


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_every_kind_of_error_arrives_as_itself(mesh: Mesh, kind: type[AppError]) -> None:
    mesh.runs.behave = raising(
        kind(
            "No.",
            reason="VERY_NARROW",
            metadata={"retry_after": "1.5"},
            violations=[Violation("/nodes/0", "bad", "Wrong.", "Right.")],
        )
    )
    # CancelRun: gRPC itself would repeat an UNAVAILABLE GetRun.
    with call.use(call.Call(principal=ADA)), pytest.raises(kind) as caught:
        await mesh.stub().CancelRun(run_service_pb2.CancelRunRequest())
    assert type(caught.value) is kind
    assert caught.value.message == "No."
    assert caught.value.code == "VERY_NARROW"
    assert caught.value.retry_after == 1.5
    assert caught.value.violations == (Violation("/nodes/0", "bad", "Wrong.", "Right."),)


@pytest.mark.parametrize(
    "violations",
    [
        [Violation(f"/nodes/{n}", "unknown", "w" * 300, "s" * 300) for n in range(500)],
        [Violation("/" + "k" * 1_000_000, "unknown_parameter", "m" * 1_000_000, "s" * 100_000)],
        [Violation("/" + "\N{CJK UNIFIED IDEOGRAPH-6C34}" * 600, "x", "\N{SNOWMAN}" * 600)] * 200,
    ],
)
async def test_an_error_is_cut_to_what_the_wire_takes(
    mesh: Mesh, violations: list[Violation]
) -> None:
    def fail() -> None:
        raise InvalidInput("m" * 1_000_000, violations=violations)

    mesh.runs.behave = fail
    with call.use(call.Call(principal=ADA)), pytest.raises(InvalidInput) as caught:
        await mesh.stub().GetRun(run_service_pb2.GetRunRequest(run_id="run_1"))
    assert caught.value.message.endswith("…")
    assert caught.value.violations[0].pointer[:20] == violations[0].pointer[:20]
    assert caught.value.violations[0].code == violations[0].code
    assert 1 <= len(caught.value.violations) <= 100


async def test_an_error_ends_a_stream_as_itself(mesh: Mesh) -> None:
    mesh.runs.behave = raising(Conflict("Too late."))
    sequences: list[int] = []
    with call.use(call.Call(principal=ADA)), pytest.raises(Conflict):  # noqa: PT012
        async for message in mesh.stub().WatchRun(run_service_pb2.WatchRunRequest()):
            sequences += [event.sequence for event in message.events]
    assert sequences == [1]


async def test_our_own_mistakes_say_nothing_of_the_inside(mesh: Mesh) -> None:
    mesh.runs.behave = raising(RuntimeError("password=hunter2"))
    with call.use(call.Call(principal=ADA)), pytest.raises(Internal) as caught:
        await mesh.stub().CancelRun(run_service_pb2.CancelRunRequest())
    assert "hunter2" not in str(caught.value)


async def test_a_method_without_side_effects_is_retried_while_unavailable(mesh: Mesh) -> None:
    def recover_at_the_third() -> None:
        if len(mesh.runs.seen) < 3:
            raise Unavailable("Starting.")

    mesh.runs.behave = recover_at_the_third
    assert (await get(mesh)).id == "run_1"
    assert len(mesh.runs.seen) == 3


async def test_a_method_with_side_effects_is_sent_once(mesh: Mesh) -> None:
    mesh.runs.behave = raising(Unavailable("Starting."))
    with call.use(call.Call(principal=ADA)), pytest.raises(Unavailable):
        await mesh.stub().CancelRun(run_service_pb2.CancelRunRequest())
    assert len(mesh.runs.seen) == 1


async def test_the_deadline_that_came_in_bounds_the_one_that_goes_out(mesh: Mesh) -> None:
    await get(mesh)
    deadline = mesh.runs.seen[0].deadline
    assert deadline is not None
    with call.use(call.Call(principal=ADA, deadline=deadline - 25)):
        await mesh.stub().CancelRun(run_service_pb2.CancelRunRequest())
    second = mesh.runs.seen[1].deadline
    assert second is not None
    assert second == pytest.approx(deadline - 25, abs=1)


async def test_an_unreachable_service_is_unavailable(tmp_path: Path) -> None:
    async with connect(f"unix:{tmp_path}/nobody.sock", [DESCRIPTOR], SECRET) as channel:
        stub = run_service_pb2_grpc.RunServiceStub(channel)
        with call.use(call.Call(principal=ADA)), pytest.raises(Unavailable):
            await stub.CancelRun(run_service_pb2.CancelRunRequest())


async def test_health_is_open_per_service_and_turns_while_draining(mesh: Mesh) -> None:
    async with grpc.aio.insecure_channel(mesh.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # pyright: ignore[reportUnknownVariableType] (untyped)

        async def status(name: str) -> int:
            return (await health.Check(health_pb2.HealthCheckRequest(service=name))).status

        names = ["", DESCRIPTOR.full_name]
        assert [await status(name) for name in names] == [
            health_pb2.HealthCheckResponse.SERVING
        ] * 2
        await mesh.server.drain()
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        assert [await status(name) for name in names] == [not_serving] * 2


def test_a_role_includes_the_smaller_ones_only() -> None:
    with call.use(call.Call(principal=ADA)):
        assert call.caller(Role.VIEWER) is ADA
        with pytest.raises(Forbidden):
            call.caller(Role.EDITOR)


async def test_an_unsigned_token_in_the_metadata_is_refused_over_the_wire(mesh: Mesh) -> None:
    token = jwt.encode({**ADA.model_dump(), "exp": 9_999_999_999}, "", algorithm="none")
    async with grpc.aio.insecure_channel(mesh.address) as channel:
        stub = run_service_pb2_grpc.RunServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetRun(run_service_pb2.GetRunRequest(), metadata=((METADATA_KEY, token),))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_every_kind_has_a_status_of_its_own() -> None:
    assert len({kind.grpc_status for kind in KINDS}) == len(KINDS)
    assert len({kind.http_status for kind in KINDS}) == len(KINDS)
    assert InvalidInput("x").code == "INVALID_INPUT"

"""An engine for the agent's tests: a real gRPC server that speaks the engine's protos.

It keeps workflows in memory per tenant, has the engine's own catalogue and, unless a test scripts
other answers, its own checks. `intercept` shows what was asked, and lets a test answer instead.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate_document
from engine_service.servicers.node_types import NodeTypeServicer
from shared.errors import Conflict, NotFound
from shared.ids import new_id
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    node_type_service_pb2_grpc,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
    simulation_service_pb2,
    simulation_service_pb2_grpc,
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from shared.rpc import call
from shared.rpc.server import RpcServer, Service

Handler = Callable[[Any], Any]


class Intercepted:
    """The calls of one method while a test intercepts it.

    Attributes:
        answers: Given first come first; exceptions are raised.
        called: Set once the method was called.
        gate: When there is one, the method waits for it before it does anything.
        works_first: It does its work before it waits at the gate.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: deque[Any] = deque()
        self.called = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self.works_first = False


class FakeEngine:
    """The engine as far as the agent needs it."""

    def __init__(self) -> None:
        self.workflows: defaultdict[str, dict[str, workflow_pb2.Workflow]] = defaultdict(dict)
        self.failed_runs: list[run_pb2.Run] = []
        self._intercepted: dict[str, Intercepted] = {}

    @contextmanager
    def intercept(self, method: str) -> Generator[Intercepted]:
        """Watch a method by its name; answer what is queued, or not before a gate opens."""
        watched = self._intercepted[method] = Intercepted()
        try:
            yield watched
        finally:
            del self._intercepted[method]

    async def answer(self, method: str, request: Any, otherwise: Handler) -> Any:
        """What a method answers: a queued answer, or what it does by itself."""
        watched = self._intercepted.get(method)
        if watched is not None:
            watched.requests.append(request)
            done = otherwise(request) if watched.works_first else None
            watched.called.set()
            if watched.gate is not None:
                await watched.gate.wait()
            if done is not None:
                return done
            if watched.answers:
                queued = watched.answers.popleft()
                if isinstance(queued, Exception):
                    raise queued
                return queued
        return otherwise(request)

    def mine(self) -> dict[str, workflow_pb2.Workflow]:
        """The caller's workflows."""
        return self.workflows[call.caller().tenant_id]


class _Workflows(workflow_service_pb2_grpc.WorkflowServiceServicer):
    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    async def ValidateWorkflow(
        self, request: workflow_service_pb2.ValidateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.ValidateWorkflowResponse:
        return await self._engine.answer("ValidateWorkflow", request, self._validate)

    def _validate(
        self, request: workflow_service_pb2.ValidateWorkflowRequest
    ) -> workflow_service_pb2.ValidateWorkflowResponse:
        found = validate_document(request.definition.json, builtin())
        return workflow_service_pb2.ValidateWorkflowResponse(
            diagnostics=[
                workflow_pb2.Diagnostic(
                    pointer=one.pointer,
                    code=one.code,
                    severity=workflow_pb2.Severity.Value(f"SEVERITY_{one.severity.upper()}"),
                    message=one.message,
                    suggestion=one.suggestion,
                )
                for one in found
            ],
            valid=is_valid(found),
        )

    async def CreateWorkflow(
        self, request: workflow_service_pb2.CreateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.CreateWorkflowResponse:
        return await self._engine.answer("CreateWorkflow", request, self._create)

    def _create(
        self, request: workflow_service_pb2.CreateWorkflowRequest
    ) -> workflow_service_pb2.CreateWorkflowResponse:
        workflow = workflow_pb2.Workflow(
            id=new_id("wf"),
            name=request.name,
            description=request.description,
            definition=request.definition,
            latest_version=1,
            etag="1",
            create_time=_now(),
            update_time=_now(),
        )
        self._engine.mine()[workflow.id] = workflow
        return workflow_service_pb2.CreateWorkflowResponse(workflow=workflow)

    async def UpdateWorkflow(
        self, request: workflow_service_pb2.UpdateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.UpdateWorkflowResponse:
        return await self._engine.answer("UpdateWorkflow", request, self._update)

    def _update(
        self, request: workflow_service_pb2.UpdateWorkflowRequest
    ) -> workflow_service_pb2.UpdateWorkflowResponse:
        workflow = self._get(request.workflow_id)
        if request.etag and request.etag != workflow.etag:
            raise Conflict("It has changed since.", reason="ETAG_MISMATCH")
        workflow.name = request.name or workflow.name
        workflow.definition.CopyFrom(request.definition)
        workflow.latest_version += 1
        workflow.etag = str(workflow.latest_version)
        return workflow_service_pb2.UpdateWorkflowResponse(workflow=workflow)

    async def GetWorkflow(
        self, request: workflow_service_pb2.GetWorkflowRequest, context: Any
    ) -> workflow_service_pb2.GetWorkflowResponse:
        return workflow_service_pb2.GetWorkflowResponse(workflow=self._get(request.workflow_id))

    async def ListWorkflows(
        self, request: workflow_service_pb2.ListWorkflowsRequest, context: Any
    ) -> workflow_service_pb2.ListWorkflowsResponse:
        found = [one for one in self._engine.mine().values() if request.name_contains in one.name]
        return workflow_service_pb2.ListWorkflowsResponse(workflows=reversed(found))

    async def DeleteWorkflow(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def ImportWorkflow(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def CheckReadiness(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def ActivateWorkflow(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def DeactivateWorkflow(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    def _get(self, workflow_id: str) -> workflow_pb2.Workflow:
        workflow = self._engine.mine().get(workflow_id)
        if workflow is None:
            raise NotFound("There is no such workflow.", reason="WORKFLOW_NOT_FOUND")
        return workflow


class _Simulation(simulation_service_pb2_grpc.SimulationServiceServicer):
    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    async def SimulateWorkflow(
        self, request: simulation_service_pb2.SimulateWorkflowRequest, context: Any
    ) -> simulation_service_pb2.SimulateWorkflowResponse:
        return await self._engine.answer("SimulateWorkflow", request, _simulated)


def _simulated(
    request: simulation_service_pb2.SimulateWorkflowRequest,
) -> simulation_service_pb2.SimulateWorkflowResponse:
    """Every node completes; requests are the effects."""
    definition = json.loads(request.definition.json)
    return simulation_service_pb2.SimulateWorkflowResponse(
        status=run_pb2.RUN_STATUS_COMPLETED,
        nodes=[
            run_pb2.NodeRun(
                node_id=node["id"],
                status=run_pb2.NODE_RUN_STATUS_COMPLETED,
                outputs=Document(json=b'{"main": [{"json": {}}]}'),
            )
            for node in definition["nodes"]
        ],
        effects=[
            simulation_service_pb2.PlannedEffect(
                node_id=node["id"],
                type=node["type"],
                summary=f"{node['parameters']['method']} {node['parameters']['url']}",
            )
            for node in definition["nodes"]
            if node["type"] == "http.request"
        ],
    )


class _Runs(run_service_pb2_grpc.RunServiceServicer):
    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    async def ListRuns(
        self, request: run_service_pb2.ListRunsRequest, context: Any
    ) -> run_service_pb2.ListRunsResponse:
        found = [run for run in self._engine.failed_runs if run.workflow_id == request.workflow_id]
        return run_service_pb2.ListRunsResponse(runs=found)

    async def StartRun(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def GetRun(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def CancelRun(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def RetryRun(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def RerunFrom(self, request: Any, context: Any) -> Any:
        raise _not_for_the_agent()

    async def WatchRun(self, request: Any, context: Any) -> AsyncGenerator[Any]:
        raise _not_for_the_agent()
        yield

    async def DownloadFile(self, request: Any, context: Any) -> AsyncGenerator[Any]:
        raise _not_for_the_agent()
        yield


def _not_for_the_agent() -> AssertionError:
    return AssertionError("the agent has no business calling this")


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC))
    return stamp


@asynccontextmanager
async def serving(engine: FakeEngine, mesh_secret: str) -> AsyncGenerator[str]:
    """Serve the fake engine; its address."""
    server = RpcServer(
        [
            Service(
                "flowloom.engine.v1.WorkflowService",
                _Workflows(engine),
                workflow_service_pb2_grpc.add_WorkflowServiceServicer_to_server,
            ),
            Service(
                "flowloom.engine.v1.NodeTypeService",
                NodeTypeServicer(builtin()),
                node_type_service_pb2_grpc.add_NodeTypeServiceServicer_to_server,
            ),
            Service(
                "flowloom.engine.v1.SimulationService",
                _Simulation(engine),
                simulation_service_pb2_grpc.add_SimulationServiceServicer_to_server,
            ),
            Service(
                "flowloom.engine.v1.RunService",
                _Runs(engine),
                run_service_pb2_grpc.add_RunServiceServicer_to_server,
            ),
        ],
        mesh_secret,
        "127.0.0.1:0",
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(0)

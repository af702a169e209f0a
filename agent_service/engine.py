"""The engine as the agent sees it: its catalogue, and a definition checked, tried and stored.

Every call is made on behalf of the caller whose turn it is. Protobuf stays in here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from agent_service.author import FailedRun
from agent_service.catalogue import Catalogue, NodeType
from shared import workflow
from shared.clock import Clock
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    node_type_pb2,
    node_type_service_pb2,
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
from shared.session_events import Finding, PlannedEffect, TriedNode, WorkflowView
from shared.workflow import JsonObject

SERVICES = (
    workflow_service_pb2.DESCRIPTOR.services_by_name["WorkflowService"],
    node_type_service_pb2.DESCRIPTOR.services_by_name["NodeTypeService"],
    simulation_service_pb2.DESCRIPTOR.services_by_name["SimulationService"],
    run_service_pb2.DESCRIPTOR.services_by_name["RunService"],
)
_CATALOGUE_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine finds in a definition."""

    valid: bool
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a definition would have done."""

    status: str
    nodes: Sequence[TriedNode] = ()
    effects: Sequence[PlannedEffect] = ()
    unreached: Sequence[str] = ()
    findings: Sequence[Finding] = field(default_factory=tuple[Finding, ...])
    error: str = ""
    error_node: str = ""


class Engine:
    """The engine behind its channel."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._workflows = workflow_service_pb2_grpc.WorkflowServiceStub(channel)
        self._node_types = node_type_service_pb2_grpc.NodeTypeServiceStub(channel)
        self._simulation = simulation_service_pb2_grpc.SimulationServiceStub(channel)
        self._runs = run_service_pb2_grpc.RunServiceStub(channel)
        self._clock = clock
        self._catalogue = Catalogue(())
        self._catalogue_until = clock.now()

    async def catalogue(self) -> Catalogue:
        """What workflows can be made of; asked for again once a minute."""
        if self._clock.now() >= self._catalogue_until:
            answer = await self._node_types.ListNodeTypes(
                node_type_service_pb2.ListNodeTypesRequest()
            )
            self._catalogue = Catalogue.of(_node_type(one) for one in answer.node_types)
            self._catalogue_until = self._clock.now() + _CATALOGUE_LIFETIME
        return self._catalogue

    async def validate(self, definition: JsonObject) -> Verdict:
        """Have a definition checked."""
        answer = await self._workflows.ValidateWorkflow(
            workflow_service_pb2.ValidateWorkflowRequest(definition=_document(definition))
        )
        return Verdict(answer.valid, [_finding(one) for one in answer.diagnostics])

    async def simulate(self, definition: JsonObject) -> Trial:
        """Have a definition tried, without touching the world."""
        answer = await self._simulation.SimulateWorkflow(
            simulation_service_pb2.SimulateWorkflowRequest(definition=_document(definition))
        )
        return Trial(
            status=_enum_name(run_pb2.RunStatus.Name(answer.status), "RUN_STATUS_"),
            nodes=[_tried(one) for one in answer.nodes],
            effects=[
                PlannedEffect(node_id=one.node_id, type=one.type, summary=one.summary)
                for one in answer.effects
            ],
            unreached=list(answer.unreached_node_ids),
            findings=[_finding(one) for one in answer.diagnostics],
            error=answer.error.message,
            error_node=answer.error.node_id,
        )

    async def get_workflow(self, workflow_id: str) -> WorkflowView:
        """One of the caller's workflows.

        Raises:
            NotFound: There is none, or it is another tenant's.
        """
        answer = await self._workflows.GetWorkflow(
            workflow_service_pb2.GetWorkflowRequest(workflow_id=workflow_id)
        )
        return _workflow(answer.workflow)

    async def list_workflow_names(self) -> Sequence[str]:
        """The names of the caller's latest workflows."""
        answer = await self._workflows.ListWorkflows(workflow_service_pb2.ListWorkflowsRequest())
        return [one.name for one in answer.workflows]

    async def create_workflow(self, definition: JsonObject) -> WorkflowView:
        """Store a definition as a new workflow."""
        answer = await self._workflows.CreateWorkflow(
            workflow_service_pb2.CreateWorkflowRequest(
                name=definition.get("name", ""),
                description=definition.get("description", ""),
                definition=_document(definition),
            )
        )
        return _workflow(answer.workflow)

    async def find_created(self, definition: JsonObject, since: datetime) -> WorkflowView | None:
        """The workflow that holds this definition and was created since, if there is one.

        Creating has no idempotency key; whoever creates again after a crash looks here first.
        """
        answer = await self._workflows.ListWorkflows(
            workflow_service_pb2.ListWorkflowsRequest(name_contains=definition.get("name", ""))
        )
        wanted = _digest(definition)
        for one in map(_workflow, answer.workflows):
            if one.create_time >= since and _digest(one.definition) == wanted:
                return one
        return None

    async def update_workflow(
        self, workflow_id: str, definition: JsonObject, etag: str, note: str
    ) -> WorkflowView:
        """Store a definition as a workflow's new version.

        Raises:
            Conflict: The workflow has changed since its etag was read.
        """
        answer = await self._workflows.UpdateWorkflow(
            workflow_service_pb2.UpdateWorkflowRequest(
                workflow_id=workflow_id,
                name=definition.get("name"),
                description=definition.get("description", ""),
                definition=_document(definition),
                etag=etag,
                note=note,
            )
        )
        return _workflow(answer.workflow)

    async def find_failed_run(self, workflow_id: str) -> FailedRun | None:
        """A workflow's latest run that failed, if any did."""
        answer = await self._runs.ListRuns(
            run_service_pb2.ListRunsRequest(
                workflow_id=workflow_id, status=run_pb2.RUN_STATUS_FAILED, page_size=1
            )
        )
        if not answer.runs:
            return None
        run = answer.runs[0]
        return FailedRun(run.id, run.error.node_id, run.error.code, run.error.message)


def _document(value: JsonObject) -> Document:
    return Document(json=json.dumps(value, ensure_ascii=False).encode())


def _digest(definition: JsonObject) -> str:
    return workflow.digest(workflow.Workflow.model_validate(definition))


def _json(document: Document, absent: Any) -> Any:
    return json.loads(document.json) if document.json else absent


def _enum_name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _time(timestamp: Timestamp) -> datetime:
    return datetime.fromisoformat(timestamp.ToJsonString())


def _node_type(one: node_type_pb2.NodeType) -> NodeType:
    return NodeType(
        type=one.type,
        version=one.version,
        family=one.family,
        title=one.title,
        description=one.description,
        documentation=one.documentation,
        parameters_schema=_json(one.parameters_schema, {}),
        inputs=tuple(one.inputs),
        outputs=tuple(one.outputs),
        examples=tuple(_json(one.examples, [])),
        credential_types=tuple(one.credential_types),
        keywords=tuple(one.keywords),
    )


def _finding(one: workflow_pb2.Diagnostic) -> Finding:
    return Finding(
        pointer=one.pointer,
        code=one.code,
        severity="warning" if one.severity == workflow_pb2.SEVERITY_WARNING else "error",
        message=one.message,
        suggestion=one.suggestion,
    )


def _tried(one: run_pb2.NodeRun) -> TriedNode:
    return TriedNode(
        node_id=one.node_id,
        status=_enum_name(run_pb2.NodeRunStatus.Name(one.status), "NODE_RUN_STATUS_"),
        outputs=_json(one.outputs, {}),
        error=one.error.message,
    )


def _workflow(one: workflow_pb2.Workflow) -> WorkflowView:
    return WorkflowView(
        id=one.id,
        name=one.name,
        description=one.description,
        definition=_json(one.definition, {}),
        latest_version=one.latest_version,
        active_version=one.active_version,
        etag=one.etag,
        create_time=_time(one.create_time),
        update_time=_time(one.update_time),
    )

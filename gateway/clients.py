"""The mesh as the gateway sees it: one typed stub per gRPC service, over two channels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.errors import Unavailable
from shared.pb.flowloom.agent.v1 import (
    consultant_service_pb2,
    consultant_service_pb2_grpc,
    knowledge_service_pb2,
    knowledge_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
)
from shared.pb.flowloom.engine.v1 import (
    approval_service_pb2,
    approval_service_pb2_grpc,
    credential_service_pb2,
    credential_service_pb2_grpc,
    node_type_service_pb2,
    node_type_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    simulation_service_pb2,
    simulation_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
    usage_service_pb2,
    usage_service_pb2_grpc,
    variable_service_pb2,
    variable_service_pb2_grpc,
    version_service_pb2,
    version_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from shared.rpc.client import connect

if TYPE_CHECKING:  # the generated stubs exist for the type checker only
    from shared.pb.flowloom.agent.v1.consultant_service_pb2_grpc import ConsultantServiceAsyncStub
    from shared.pb.flowloom.agent.v1.knowledge_service_pb2_grpc import KnowledgeServiceAsyncStub
    from shared.pb.flowloom.agent.v1.session_service_pb2_grpc import SessionServiceAsyncStub
    from shared.pb.flowloom.engine.v1.approval_service_pb2_grpc import ApprovalServiceAsyncStub
    from shared.pb.flowloom.engine.v1.credential_service_pb2_grpc import (
        CredentialServiceAsyncStub,
    )
    from shared.pb.flowloom.engine.v1.node_type_service_pb2_grpc import NodeTypeServiceAsyncStub
    from shared.pb.flowloom.engine.v1.run_service_pb2_grpc import RunServiceAsyncStub
    from shared.pb.flowloom.engine.v1.simulation_service_pb2_grpc import (
        SimulationServiceAsyncStub,
    )
    from shared.pb.flowloom.engine.v1.tool_service_pb2_grpc import ToolServiceAsyncStub
    from shared.pb.flowloom.engine.v1.trigger_service_pb2_grpc import TriggerServiceAsyncStub
    from shared.pb.flowloom.engine.v1.usage_service_pb2_grpc import UsageServiceAsyncStub
    from shared.pb.flowloom.engine.v1.variable_service_pb2_grpc import VariableServiceAsyncStub
    from shared.pb.flowloom.engine.v1.version_service_pb2_grpc import VersionServiceAsyncStub
    from shared.pb.flowloom.engine.v1.workflow_service_pb2_grpc import WorkflowServiceAsyncStub

_HEALTH_SECONDS = 2.0
_AGENT_SERVICES: tuple[ServiceDescriptor, ...] = (
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
    consultant_service_pb2.DESCRIPTOR.services_by_name["ConsultantService"],
    knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"],
)
_ENGINE_SERVICES: tuple[ServiceDescriptor, ...] = (
    workflow_service_pb2.DESCRIPTOR.services_by_name["WorkflowService"],
    version_service_pb2.DESCRIPTOR.services_by_name["VersionService"],
    run_service_pb2.DESCRIPTOR.services_by_name["RunService"],
    simulation_service_pb2.DESCRIPTOR.services_by_name["SimulationService"],
    trigger_service_pb2.DESCRIPTOR.services_by_name["TriggerService"],
    tool_service_pb2.DESCRIPTOR.services_by_name["ToolService"],
    usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"],
    approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"],
    node_type_service_pb2.DESCRIPTOR.services_by_name["NodeTypeService"],
    credential_service_pb2.DESCRIPTOR.services_by_name["CredentialService"],
    variable_service_pb2.DESCRIPTOR.services_by_name["VariableService"],
)


@dataclass(frozen=True, slots=True)
class Clients:
    """Every service of the mesh, and the channels to them."""

    sessions: "SessionServiceAsyncStub"
    consultant: "ConsultantServiceAsyncStub"
    knowledge: "KnowledgeServiceAsyncStub"
    workflows: "WorkflowServiceAsyncStub"
    versions: "VersionServiceAsyncStub"
    runs: "RunServiceAsyncStub"
    simulation: "SimulationServiceAsyncStub"
    triggers: "TriggerServiceAsyncStub"
    tools: "ToolServiceAsyncStub"
    usage: "UsageServiceAsyncStub"
    approvals: "ApprovalServiceAsyncStub"
    node_types: "NodeTypeServiceAsyncStub"
    credentials: "CredentialServiceAsyncStub"
    variables: "VariableServiceAsyncStub"
    agent: grpc.aio.Channel
    engine: grpc.aio.Channel

    @classmethod
    def open(cls, agent_address: str, engine_address: str, mesh_secret: str) -> "Clients":
        """Open both channels; they connect when first used."""
        agent = connect(agent_address, _AGENT_SERVICES, mesh_secret)
        engine = connect(engine_address, _ENGINE_SERVICES, mesh_secret)
        return cls(
            sessions=session_service_pb2_grpc.SessionServiceStub(agent),
            consultant=consultant_service_pb2_grpc.ConsultantServiceStub(agent),
            knowledge=knowledge_service_pb2_grpc.KnowledgeServiceStub(agent),
            workflows=workflow_service_pb2_grpc.WorkflowServiceStub(engine),
            versions=version_service_pb2_grpc.VersionServiceStub(engine),
            runs=run_service_pb2_grpc.RunServiceStub(engine),
            simulation=simulation_service_pb2_grpc.SimulationServiceStub(engine),
            triggers=trigger_service_pb2_grpc.TriggerServiceStub(engine),
            tools=tool_service_pb2_grpc.ToolServiceStub(engine),
            usage=usage_service_pb2_grpc.UsageServiceStub(engine),
            approvals=approval_service_pb2_grpc.ApprovalServiceStub(engine),
            node_types=node_type_service_pb2_grpc.NodeTypeServiceStub(engine),
            credentials=credential_service_pb2_grpc.CredentialServiceStub(engine),
            variables=variable_service_pb2_grpc.VariableServiceStub(engine),
            agent=agent,
            engine=engine,
        )

    async def close(self) -> None:
        await self.agent.close()
        await self.engine.close()


async def check_health(channel: grpc.aio.Channel) -> None:
    """Return if the service behind a channel takes calls.

    Raises:
        Unavailable: It is away, or drains.
    """
    stub = cast("Any", health_pb2_grpc.HealthStub(channel))  # published without types
    request = health_pb2.HealthCheckRequest()
    answer = await stub.Check(request, timeout=_HEALTH_SECONDS)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unavailable("The service takes no calls at the moment.")

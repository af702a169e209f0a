"""Agent and engine as scripts: real gRPC servers that answer what a test tells them.

Every RPC of the mesh is served. A test says how a method answers and looks at what arrived: the
request, and the call it came with. A method nobody has told anything answers an empty message.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

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
from shared.rpc import call
from shared.rpc.server import RpcServer, Service

Answer = Callable[[Any], Any]
"""From a request to a message; for a stream, to an async iterator of messages."""

_SERVICES: Sequence[tuple[Any, ModuleType, str]] = (
    (session_service_pb2, session_service_pb2_grpc, "SessionService"),
    (consultant_service_pb2, consultant_service_pb2_grpc, "ConsultantService"),
    (knowledge_service_pb2, knowledge_service_pb2_grpc, "KnowledgeService"),
    (workflow_service_pb2, workflow_service_pb2_grpc, "WorkflowService"),
    (version_service_pb2, version_service_pb2_grpc, "VersionService"),
    (run_service_pb2, run_service_pb2_grpc, "RunService"),
    (simulation_service_pb2, simulation_service_pb2_grpc, "SimulationService"),
    (trigger_service_pb2, trigger_service_pb2_grpc, "TriggerService"),
    (tool_service_pb2, tool_service_pb2_grpc, "ToolService"),
    (usage_service_pb2, usage_service_pb2_grpc, "UsageService"),
    (approval_service_pb2, approval_service_pb2_grpc, "ApprovalService"),
    (node_type_service_pb2, node_type_service_pb2_grpc, "NodeTypeService"),
    (credential_service_pb2, credential_service_pb2_grpc, "CredentialService"),
    (variable_service_pb2, variable_service_pb2_grpc, "VariableService"),
)


def service_descriptors() -> list[ServiceDescriptor]:
    """Every service of the mesh."""
    return [module.DESCRIPTOR.services_by_name[name] for module, _, name in _SERVICES]


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that arrived."""

    method: str
    request: Any
    call: call.Call


@dataclass
class ScriptedMesh:
    """What the services say, and what they were asked."""

    address: str
    seen: list[Seen] = field(default_factory=list[Seen])
    _answers: dict[str, Answer] = field(default_factory=dict[str, Answer])

    def on(self, method: str, answer: Answer | Message | Exception) -> None:
        """Say how a method answers from now on."""
        if isinstance(answer, Message):
            self._answers[method] = lambda _: answer
        elif isinstance(answer, Exception):
            self._answers[method] = _raising(answer)
        else:
            self._answers[method] = answer

    def forget(self) -> None:
        """Begin anew."""
        self.seen.clear()
        self._answers.clear()

    def only(self, method: str) -> Seen:
        """The one call of a method that arrived."""
        [seen] = [seen for seen in self.seen if seen.method == method]
        return seen

    def count(self, method: str) -> int:
        return sum(seen.method == method for seen in self.seen)

    def note(self, method: str, request: Any) -> Answer | None:
        """Remember a call; how it is to be answered."""
        self.seen.append(Seen(method, request, call.current()))
        return self._answers.get(method)


class _Scripted:
    """A servicer whose methods ask the script."""

    def __init__(self, mesh: ScriptedMesh, service: ServiceDescriptor) -> None:
        for method in service.methods:
            empty = GetMessageClass(method.output_type)
            make = _stream if method.server_streaming else _unary
            setattr(self, method.name, make(mesh, method.name, empty))


def _unary(mesh: ScriptedMesh, name: str, empty: type[Message]) -> Any:
    async def answer(request: Any, _: Any) -> Message:
        script = mesh.note(name, request)
        answered = script(request) if script else empty()
        return answered if isinstance(answered, Message) else await answered

    return answer


def _stream(mesh: ScriptedMesh, name: str, empty: type[Message]) -> Any:
    async def answer(request: Any, _: Any) -> AsyncIterator[Message]:
        script = mesh.note(name, request)
        if script:
            async for message in script(request):
                yield message

    return answer


def _raising(error: Exception) -> Answer:
    def answer(_: Any) -> Message:
        raise error

    return answer


@asynccontextmanager
async def scripted_mesh(directory: Path, mesh_secret: str) -> AsyncGenerator[ScriptedMesh]:
    """Serve agent and engine on one socket."""
    mesh = ScriptedMesh(f"unix:{directory}/mesh.sock")
    services = [
        Service(
            module.DESCRIPTOR.services_by_name[name].full_name,
            _Scripted(mesh, module.DESCRIPTOR.services_by_name[name]),
            getattr(stubs, f"add_{name}Servicer_to_server"),
        )
        for module, stubs, name in _SERVICES
    ]
    server = RpcServer(services, mesh_secret, mesh.address)
    await server.start()
    yield mesh
    await server.stop(grace=0)

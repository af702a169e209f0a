"""A definition made ready to run: types found, parameters compiled, the flow of its edges known.

Versions never change, so a program is made once and kept as long as it is used.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from engine_service.catalogue import Catalogue
from engine_service.core.flow import LOOP_TYPE, Flow, Shape, Step
from engine_service.definitions.hidden import holds_secrets
from engine_service.definitions.stencil import Stencil, stencil_of
from engine_service.expressions import CompiledParameters, compile_parameters
from engine_service.sdk.node import MAIN, Effect, NodeParameters, NodeType, PureNode
from engine_service.store.versions import get_version
from shared.database import Database
from shared.errors import Internal
from shared.workflow import Node, Workflow, parse

OUTCOME_UNKNOWN = "outcome_unknown"
_KEPT = 500


@dataclass(slots=True, eq=False)
class ReadyNode:
    """A node with its type found and its parameters compiled.

    Attributes:
        fixed: The parameters, when no expression is in them and they are valid.
        stencil: The parameters with holes, when there are expressions and all of them fit.
        needs_v8: Some expression is more than a plain path.
        is_pure: It is computed from its input alone.
        effect: What it does to the world.
        secretive: Its parameters hold a secret, or an expression for one.
    """

    definition: Node
    type: NodeType[Any]
    compiled: CompiledParameters
    fixed: NodeParameters | None
    stencil: Stencil | None
    needs_v8: bool
    is_pure: bool
    effect: Effect
    secretive: bool = False

    @property
    def announces(self) -> bool:
        """Whether its beginning must be in the journal before it touches the world."""
        return self.effect in (Effect.KEYED, Effect.UNSAFE)

    @property
    def repeat_allowed(self) -> bool:
        """Whether it may be run again although nobody knows if its effect happened."""
        retry = self.definition.settings.retry
        allowed = retry is not None and OUTCOME_UNKNOWN in retry.on
        return self.effect is not Effect.UNSAFE or allowed


class Program:
    """One definition, begun by one of its triggers, ready to run any number of times.

    Raises:
        NodeTypeNotFound: A node is of a type that this engine does not have.
    """

    def __init__(self, workflow: Workflow, trigger: str, catalogue: Catalogue) -> None:
        self.workflow = workflow
        self.zone = ZoneInfo(workflow.settings.timezone)
        self.nodes: Mapping[str, ReadyNode] = {
            node.id: _ready(node, catalogue) for node in workflow.nodes
        }
        self.attached = _attached(workflow, self.nodes)
        self.used = {one.source for one in workflow.connections if one.attaches}
        self.uses_variables = "$vars" in workflow.model_dump_json()
        shapes = {node.id: _shape(self.nodes[node.id]) for node in workflow.nodes}
        self.flow = Flow(workflow, trigger, shapes)
        self.steps_by_name: Mapping[str, Step] = {
            step.node.name: step for step in self.flow.steps.values()
        }


Attachments = Mapping[str, Sequence[ReadyNode]]
"""What is attached to a node, by kind, in order."""


def _attached(workflow: Workflow, nodes: Mapping[str, ReadyNode]) -> Mapping[str, Attachments]:
    """By node, what is attached to it; what is disabled is not."""
    found: dict[str, dict[str, list[ReadyNode]]] = {}
    for wire in sorted(workflow.connections, key=lambda wire: wire.index):
        if wire.attaches and not nodes[wire.source].definition.disabled:
            kinds = found.setdefault(wire.target, {})
            kinds.setdefault(wire.input, []).append(nodes[wire.source])
    return found


def _ready(node: Node, catalogue: Catalogue) -> ReadyNode:
    node_type = catalogue.get(node.type, node.version)
    compiled = compile_parameters(node.parameters, node_type.verbatim)
    fixed = None
    if compiled.is_static:
        try:
            fixed = node_type.Parameters.model_validate(node.parameters)
        except ValidationError:
            fixed = None  # said when the node runs, if it ever does
    needs_v8 = any(slot.expression.path is None for slot in compiled.slots)
    return ReadyNode(
        node,
        node_type,
        compiled,
        fixed,
        None if compiled.is_static else stencil_of(node_type.Parameters, compiled),
        needs_v8,
        is_pure=isinstance(node_type, PureNode),
        effect=node_type.effect_of(node.parameters),
        secretive=holds_secrets(node_type.Parameters, node.parameters),
    )


def _shape(node: ReadyNode) -> Shape:
    parameters = node.definition.parameters
    return Shape(
        inputs=node.type.input_names(parameters) or (MAIN,),
        ports=node.type.ports(parameters) or (MAIN,),
        loops=node.type.type == LOOP_TYPE,
        repeatable=node.repeat_allowed,
    )


class Programs:
    """The programs in use, by workflow, version and trigger.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, int, str], Program] = OrderedDict()

    def find(self, workflow_id: str, version: int, trigger: str) -> Program | None:
        """The program, if it is at hand."""
        key = workflow_id, version, trigger
        program = self._kept.get(key)
        if program is not None:
            self._kept.move_to_end(key)
        return program

    def compose(self, definition: str, trigger: str) -> Program:
        """The program of a definition that is stored nowhere; it is not kept.

        Raises:
            NotFound: A type it uses is not there.
            InvalidInput: The definition cannot be read.
        """
        return Program(parse(definition), trigger, self._catalogue)

    async def get(self, workflow_id: str, version: int, trigger: str) -> Program:
        """The program, made if it must be.

        Raises:
            NotFound: The version, or a type it uses, is not there.
            InvalidInput: The definition cannot be read.
            Internal: The definition has no such trigger node.
            Unavailable: The database is away.
        """
        program = self.find(workflow_id, version, trigger)
        if program is None:
            async with self._database.transaction() as connection:
                stored = await get_version(connection, workflow_id, version)
            workflow = parse(stored.definition)
            if workflow.node(trigger) is None:
                raise Internal(f"Version {version} of {workflow_id} has no node {trigger!r}.")
            program = Program(workflow, trigger, self._catalogue)
            self._kept[workflow_id, version, trigger] = program
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return program

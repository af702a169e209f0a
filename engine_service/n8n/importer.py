"""Turns a document into a definition and a report. Read this first.

    find     whose format it is                                   (here, `document`)
    map      each node into one of ours, or a placeholder         (`mappings/`)
    settle   what any node can set; names and ids; differences    (`settings`, `expressions`)
    connect  outputs and inputs by number become named ports      (`connections`)

A node without counterpart stays in its place as `flow.placeholder`, with all that was written, so
that the shape of the workflow is kept and nobody can activate it without having looked.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from engine_service.n8n.connections import edges
from engine_service.n8n.credentials import lacking
from engine_service.n8n.document import MAIN, Document, find_workflow, read, version_of
from engine_service.n8n.expressions import rename, troubles
from engine_service.n8n.fields import CannotMap, Fields
from engine_service.n8n.legacy import Legacy
from engine_service.n8n.mapping import Mapped, NodeMapping, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from engine_service.n8n.naming import Naming
from engine_service.n8n.notes import is_sticky, read_items, sticky_notes
from engine_service.n8n.order import in_drawn_order, in_running_order, position_of
from engine_service.n8n.report import NodeReport, Report, SourceFormat, Verdict
from engine_service.n8n.settings import node_settings, workflow_settings
from shared.errors import InvalidInput, Violation
from shared.workflow import JsonObject, Workflow, parse, type_pattern

PLACEHOLDER = "flow.placeholder"
_DEEPEST = 4
"""A model is attached to a parser that is attached to a parser that is attached to an agent."""
_OUR_TYPE = re.compile(type_pattern)
_VERBATIM = {"code.javascript": ("code",), "code.python": ("code",), PLACEHOLDER: ("original",)}


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a document."""

    workflow: Workflow
    report: Report


@dataclass(slots=True)
class _Step:
    """A node on its way."""

    source: SourceNode
    mapped: Mapped
    verdict: Verdict
    settings: JsonObject = field(default_factory=dict[str, Any])


def import_document(value: Any, mappings: Sequence[NodeMapping] = MAPPINGS) -> Imported:
    """Read a document of either format.

    Raises:
        InvalidInput: It is of neither, or malformed.
    """
    found = find_workflow(value)
    if found is not None and not _is_ours(found):
        return _import_n8n(read(found), mappings)
    if isinstance(value, dict):
        document = cast("JsonObject", value)
        return _import_own(document.get("definition", document))
    violation = Violation("/document", "unknown_format", "Send a workflow as JSON.")
    raise InvalidInput(
        "This is neither a definition nor a workflow of n8n.",
        reason="UNKNOWN_FORMAT",
        violations=[violation],
    )


def _is_ours(found: JsonObject) -> bool:
    """Whether a list of nodes is ours, although no list of connections stands beside it."""
    nodes = cast("list[Any]", found["nodes"])
    types = [cast("JsonObject", node).get("type") for node in nodes if isinstance(node, dict)]
    ours = [isinstance(one, str) and bool(_OUR_TYPE.match(one)) for one in types]
    return bool(ours) and all(ours) and not found.get("connections")


def _import_own(definition: Any) -> Imported:
    workflow = parse(_dumped(definition))
    nodes = [
        NodeReport(node.name, node.type, str(node.version), Verdict.MAPPED, node.id, node.type)
        for node in workflow.nodes
    ]
    return Imported(workflow, Report(SourceFormat.FLOWLOOM, nodes))


def _import_n8n(document: Document, mappings: Sequence[NodeMapping]) -> Imported:
    by_type = {name: mapping for mapping in mappings for name in mapping.types}
    drawn = in_drawn_order(document)
    nodes = [node for node in drawn if not is_sticky(node)]
    naming = Naming(node["name"] for node in nodes)
    steps = _steps(document, nodes, by_type)
    absorbed = {name: step.source.name for step in steps for name in step.mapped.absorbs}
    kept = [step for step in steps if step.source.name not in absorbed]
    settings, notes = workflow_settings(document)
    edge_list, lost = _edges(document, kept, naming)
    shape = Legacy([_node(step, naming) for step in kept], edge_list)
    if document.is_legacy:
        shape.keep_order()
    definition: JsonObject = {
        "name": document.name[:200],
        "nodes": shape.nodes,
        "connections": shape.edges,
        "settings": settings,
        "pinned": {
            naming.ids[name]: read_items(items)
            for name, items in document.pinned.items()
            if name in naming.ids and name not in absorbed
        },
        "notes": sticky_notes(drawn),
    }
    reports = [_report(step, naming, absorbed, steps) for step in steps]
    reports.extend(_note_reports(drawn))
    notes += [*document.lost, *lost, *naming.told, *shape.notes]
    return Imported(parse(_dumped(definition)), Report(SourceFormat.N8N, reports, notes))


# --- nodes


def _steps(
    document: Document, nodes: Sequence[JsonObject], by_type: Mapping[str, NodeMapping]
) -> list[_Step]:
    sources = {node["name"]: _source(document, node) for node in nodes}
    attached = _attached(document, sources)
    steps: dict[str, _Step] = {}
    absorbed: set[str] = set()
    # What has others attached reads them, and they are no steps of their own then.
    for name in _from_outside(document, sources, attached):
        if name in absorbed:
            continue
        source = replace(sources[name], attached=attached.get(name, {}))
        steps[name] = _step(source, document, by_type)
        absorbed.update(steps[name].mapped.absorbs)
    for name in absorbed:
        steps[name] = _absorbed(sources[name])
    return [steps[name] for name in sources]


def _source(document: Document, node: JsonObject) -> SourceNode:
    parameters: Any = node.get("parameters")
    used = [wire.output + 1 for wire in document.wires if wire.source == node["name"]]
    return SourceNode(
        name=node["name"],
        type=node["type"],
        version=version_of(node),
        fields=Fields(cast("JsonObject", parameters) if isinstance(parameters, dict) else {}),
        raw=node,
        outputs_used=max(used, default=1),
    )


def _attached(
    document: Document, sources: Mapping[str, SourceNode]
) -> dict[str, Mapping[str, Sequence[SourceNode]]]:
    """By node, what is attached to it, by kind; with what is attached to that."""
    names: dict[str, dict[str, list[str]]] = {}
    for wire in document.wires:
        if wire.kind != MAIN and wire.source in sources:
            names.setdefault(wire.target, {}).setdefault(wire.kind, []).append(wire.source)

    whole: Mapping[str, SourceNode] = sources
    for _ in range(_DEEPEST):
        whole = {
            name: replace(
                source,
                attached={
                    kind: [whole[one] for one in ones] for kind, ones in names.get(name, {}).items()
                },
            )
            for name, source in sources.items()
        }
    return {name: whole[name].attached for name in names if name in whole}


def _from_outside(
    document: Document, names: Iterable[str], attached: Mapping[str, Any]
) -> Sequence[str]:
    """Names in an order in which nodes come before what is attached to them."""
    users: dict[str, str] = {}
    for wire in document.wires:
        if wire.kind != MAIN:
            users.setdefault(wire.source, wire.target)

    def depth(name: str) -> int:
        above: set[str] = set()
        while name in users and name not in above and len(above) < _DEEPEST:
            above.add(name)
            name = users[name]
        return len(above)

    return sorted(names, key=lambda name: (depth(name), name not in attached))


def _step(source: SourceNode, document: Document, by_type: Mapping[str, NodeMapping]) -> _Step:
    fields = source.fields
    # A node that serves as a tool is called after the node that it is.
    mapping = by_type.get(source.type) or by_type.get(source.type.removesuffix("Tool"))
    verdict = Verdict.UNMATCHED
    try:
        if mapping is None:
            raise CannotMap(f"There is no counterpart of {source.type} yet.")
        mapped = _described(_translated(mapping, source), fields)
    except CannotMap as error:
        fields.differences.clear()
        fields.differ(str(error))
        mapped = _placeholder(source, document, str(error))
    else:
        _tell_lost(source)
        for trouble in troubles(mapped.parameters, _VERBATIM.get(mapped.type, ())):
            fields.differ(trouble)
        verdict = Verdict.MAPPED
    settings = node_settings(source.raw, fields)
    if verdict is Verdict.MAPPED and fields.differences:
        verdict = Verdict.DIFFERENT
    return _Step(source, mapped, verdict, settings)


def _translated(mapping: NodeMapping, source: SourceNode) -> Mapped:
    """What a mapping makes of a node.

    Raises:
        CannotMap: The node has no counterpart, or is not such as n8n writes.
    """
    try:
        return mapping.translate(source)
    except (TypeError, ValueError, LookupError) as error:
        # Documents come from anybody; one odd node must not keep the others out.
        raise CannotMap("Its parameters are not such as n8n writes them.") from error


def _described(mapped: Mapped, fields: Fields) -> Mapped:
    """A node with what it tells models of itself, when it serves as a tool."""
    fields.ignore("descriptionType")
    told = fields.verbatim("toolDescription", "")
    if mapped.notes or not isinstance(told, str) or told.startswith("="):
        return mapped
    return replace(mapped, notes=told)


def _absorbed(source: SourceNode) -> _Step:
    """A node that is part of another one now, which has read it."""
    _tell_lost(source)
    return _Step(source, Mapped("", {}), Verdict.MAPPED)


def _tell_lost(source: SourceNode) -> None:
    """Say which parameters nobody took, and which credentials are wanting."""
    for name in source.fields.unread():
        source.fields.differ(f"Its parameter {name!r} was not carried over.")
    for sentence in lacking(source):
        source.fields.differ(sentence)


def _placeholder(source: SourceNode, document: Document, reason: str) -> Mapped:
    """A stand-in with as many ports as connections need."""
    outputs: list[str] = []
    inputs: list[str] = []
    for wire in document.wires:
        if source.name == wire.source:
            _grow(outputs, wire.kind, wire.output)
        if source.name == wire.target:
            _grow(inputs, wire.kind, wire.input)
    parameters: JsonObject = {
        "reason": reason,
        "original": {
            name: source.raw[name]
            for name in ("type", "typeVersion", "parameters", "credentials")
            if name in source.raw
        },
    }
    outputs, inputs = outputs or [MAIN], inputs or [MAIN]
    if outputs != [MAIN]:
        parameters["outputs"] = outputs
    if inputs != [MAIN]:
        parameters["inputs"] = inputs
    return Mapped(PLACEHOLDER, parameters, tuple(outputs), tuple(inputs))


def _grow(ports: list[str], kind: str, index: int) -> None:
    """Have the port of this index: `main`, `main2`, `main3`, …, or the name of an attachment."""
    if kind != MAIN:
        if kind not in ports:
            ports.append(kind)
        return
    plain = [port for port in ports if not port.startswith("ai_")]
    for number in range(len(plain), index + 1):
        ports.insert(number, MAIN if number == 0 else f"{MAIN}{number + 1}")


# --- the definition


def _node(step: _Step, naming: Naming) -> JsonObject:
    source, mapped = step.source, step.mapped
    notes = source.raw.get("notes") or mapped.notes
    node: JsonObject = {
        "id": naming.ids[source.name],
        "name": naming.names[source.name],
        "type": mapped.type,
        "parameters": rename(mapped.parameters, naming.renamed),
        "position": position_of(source.raw),
        "disabled": source.raw.get("disabled") is True,
        "notes": str(notes)[:10_000] if notes else "",
        "settings": step.settings,
    }
    return node


def _edges(
    document: Document, kept: Sequence[_Step], naming: Naming
) -> tuple[list[JsonObject], list[str]]:
    with_error_port = frozenset(
        step.source.name for step in kept if step.settings.get("on_error") == "error_port"
    )
    mapped = {step.source.name: step.mapped for step in kept}
    wires = in_running_order(document)
    found = list(edges(wires, mapped, naming.ids, with_error_port))
    connections = [edge for edge in found if not isinstance(edge, str)]
    return connections, [sentence for sentence in found if isinstance(sentence, str)]


# --- the report


def _report(
    step: _Step, naming: Naming, absorbed: Mapping[str, str], steps: Sequence[_Step]
) -> NodeReport:
    source = step.source
    owner = absorbed.get(source.name)
    at = step
    if owner is not None:
        at = next(one for one in steps if one.source.name == owner)
    verdict = step.verdict
    if owner is not None:
        verdict = Verdict.DIFFERENT if source.fields.differences else Verdict.MAPPED
    return NodeReport(
        name=source.name,
        type=source.type,
        version=f"{source.version:g}",
        verdict=verdict,
        node_id=naming.ids[at.source.name],
        mapped_to=at.mapped.type,
        differences=tuple(source.fields.differences),
    )


def _note_reports(nodes: Iterable[JsonObject]) -> Iterable[NodeReport]:
    for node in nodes:
        if is_sticky(node):
            version = f"{version_of(node):g}"
            yield NodeReport(node["name"], node["type"], version, Verdict.MAPPED)


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError) as error:
        raise InvalidInput("The document cannot be kept.", reason="MALFORMED_DOCUMENT") from error

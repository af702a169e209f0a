"""Checks each connection: that both ends exist, with that port and that input."""

from collections.abc import Iterator, Sequence

from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from engine_service.sdk.node import ERROR
from shared.workflow import Connection, Node, pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong with connections."""
    seen: set[tuple[str, str, str, str]] = set()
    for place, edge in enumerate(subject.workflow.connections):
        base = pointer(["connections", place])
        yield from _check_ends(subject, base, edge)
        key = (edge.source, edge.port, edge.target, edge.input)
        if key in seen:
            yield Diagnostic(
                base,
                "duplicate_connection",
                f"{edge.source!r} is connected to {edge.target!r} in this way already.",
                "Remove one of the two.",
                Severity.WARNING,
            )
        seen.add(key)


def nearest_name(subject: Subject, name: str, names: Sequence[str]) -> str:
    """What was probably meant by a name, or else what there is."""
    return subject.nearest(name, names) or f"It has {', '.join(map(repr, names[:10]))}."


def _check_ends(subject: Subject, base: str, edge: Connection) -> Iterator[Diagnostic]:
    for end, node_id in (("from", edge.source), ("to", edge.target)):
        place = subject.index.get(node_id)
        if place is None:
            yield Diagnostic(
                f"{base}/{end}",
                "unknown_node",
                f"There is no node with the id {node_id!r}.",
                subject.nearest(node_id, subject.index),
            )
        elif edge.attaches:
            continue  # `attachments` looks at what it attaches to what
        elif end == "from":
            names = _outputs(subject, subject.nodes[place])
            yield from _check_name(subject, f"{base}/port", (node_id, edge.port), names)
        else:
            names = _inputs(subject, subject.nodes[place])
            yield from _check_name(subject, f"{base}/input", (node_id, edge.input), names)


def _outputs(subject: Subject, node: Node) -> Sequence[str] | None:
    node_type = subject.type_of(node)
    if node_type is None:
        return None
    extra = (ERROR,) if node.settings.on_error == "error_port" else ()
    return (*node_type.ports(node.parameters), *extra)


def _inputs(subject: Subject, node: Node) -> Sequence[str] | None:
    node_type = subject.type_of(node)
    return None if node_type is None else node_type.input_names(node.parameters)


def _check_name(
    subject: Subject, place: str, end: tuple[str, str], names: Sequence[str] | None
) -> Iterator[Diagnostic]:
    """Whether a node has a port or input; `names` is None when its type is unknown."""
    node_id, name = end
    if names is None or name in names:
        return
    kind = "input" if place.endswith("/input") else "port"
    if not names:
        suggestion = f"It has no {kind}s at all; remove the connection."
    else:
        suggestion = nearest_name(subject, name, names)
    yield Diagnostic(
        place, f"unknown_{kind}", f"The node {node_id!r} has no {kind} {name!r}.", suggestion
    )

"""Checks what is attached to what: kinds that fit, as many as are taken, and nothing that flows."""

from collections import Counter
from collections.abc import Iterator

from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from engine_service.expressions.asking import arguments_of
from engine_service.sdk.node import MAIN, AttachedNode
from engine_service.sdk.trigger import ToolTrigger
from shared.workflow import Connection, Node, pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong with attachments."""
    taken: Counter[tuple[str, str]] = Counter()
    attached: set[str] = set()
    for place, edge in enumerate(subject.workflow.connections):
        if not edge.attaches or not {edge.source, edge.target} <= subject.index.keys():
            continue
        attached.add(edge.source)
        taken[edge.target, edge.input] += 1
        base = pointer(["connections", place])
        refused = list(_check_user(subject, base, edge, taken[edge.target, edge.input]))
        yield from refused or _check_used(subject, base, edge)
    yield from _check_flowing(subject, attached)
    yield from _check_unused(subject, attached)
    yield from _check_asking(subject)


def _node(subject: Subject, node_id: str) -> Node:
    return subject.nodes[subject.index[node_id]]


def _check_user(subject: Subject, base: str, edge: Connection, count: int) -> Iterator[Diagnostic]:
    """Whether the target takes what is attached to it."""
    user = _node(subject, edge.target)
    user_type = subject.type_of(user)
    if user_type is None or edge.input in user_type.input_names(user.parameters):
        return
    most = user_type.attachments.get(edge.input, 0)
    if not most:
        kinds = ", ".join(map(repr, user_type.attachments))
        yield Diagnostic(
            f"{base}/input",
            "unknown_input",
            f"Nothing can be attached to {user.name!r} as {edge.input!r}.",
            f"It takes {kinds}." if kinds else "Attach it to a node such as 'ai.agent'.",
        )
    elif count > most:
        yield Diagnostic(
            f"{base}/input",
            "too_many_attached",
            f"{user.name!r} takes {most} attached as {edge.input!r}, and this is one more.",
            "Remove one of them.",
        )


def _check_used(subject: Subject, base: str, edge: Connection) -> Iterator[Diagnostic]:
    """Whether the source can be attached in this way."""
    used = _node(subject, edge.source)
    used_type = subject.type_of(used)
    if used_type is None:
        return
    kinds = used_type.attaches_as()
    if edge.input not in kinds:
        fitting = [one.type for one in subject.catalogue if edge.input in one.attaches_as()][:5]
        told = f"Attach it as {kinds[0]!r}, or" if kinds else "Attach"
        yield Diagnostic(
            f"{base}/input",
            "wrong_attachment",
            f"{used.name!r} ({used.type}) cannot be attached as {edge.input!r}.",
            f"{told} another node here, such as {', '.join(map(repr, fitting))}.",
        )
    elif edge.port not in (MAIN, edge.input, *used_type.ports(used.parameters)):
        yield Diagnostic(
            f"{base}/port",
            "unknown_port",
            f"What is attached leaves by the port {edge.input!r}, not {edge.port!r}.",
            f"Did you mean {edge.input!r}?",
        )


def _check_flowing(subject: Subject, attached: set[str]) -> Iterator[Diagnostic]:
    """A node either belongs to another one or takes part in the flow."""
    for place, edge in enumerate(subject.workflow.connections):
        if edge.attaches or not {edge.source, edge.target} <= subject.index.keys():
            continue
        for node_id in (edge.source, edge.target):
            if node_id in attached:
                yield Diagnostic(
                    pointer(["connections", place]),
                    "attached_node_in_flow",
                    f"{_node(subject, node_id).name!r} is attached to another node, which alone "
                    "uses it; no items come or go by this connection.",
                    "Remove the connection, or put a second such node into the flow.",
                )
                break


def _check_unused(subject: Subject, attached: set[str]) -> Iterator[Diagnostic]:
    """What can only be attached, and is not, does nothing."""
    for place, node in enumerate(subject.nodes):
        node_type = subject.type_of(node)
        if isinstance(node_type, AttachedNode) and node.id not in attached:
            yield Diagnostic(
                pointer(["nodes", place]),
                "not_attached",
                f"{node.name!r} does nothing by itself.",
                f"Attach it: connect it to the input {node_type.kind!r} of the node that uses it.",
                Severity.WARNING,
            )


def _is_tool_trigger(subject: Subject, node_id: str) -> bool:
    """Whether a node's items are what a model has said."""
    known = node_id in subject.index
    return known and isinstance(subject.type_of(_node(subject, node_id)), ToolTrigger)


def _check_asking(subject: Subject) -> Iterator[Diagnostic]:
    """Only a tool has a model to ask for its parameters, or what a tool's trigger begins with."""
    wires = subject.workflow.connections
    tools = {edge.source for edge in wires if edge.input == "tool"}
    tools |= {edge.target for edge in wires if _is_tool_trigger(subject, edge.source)}
    for place, node in enumerate(subject.nodes):
        if node.id in tools or node.disabled:
            continue
        for asked in arguments_of(node.parameters)[:1]:
            yield Diagnostic(
                pointer(["nodes", place, "parameters"]),
                "asks_no_model",
                f"{node.name!r} asks a model for {asked.name!r}, but is no tool of an agent.",
                "Attach it to the input 'tool' of an agent, or write the value itself.",
            )

"""Checks how the nodes hang together: something starts them, nothing waits for itself."""

from collections.abc import Iterator

from pydantic import ValidationError

from engine_service.core.flow import LOOP, LOOP_TYPE
from engine_service.core.graph import Graph
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from engine_service.sdk.node import ERROR, AttachedNode
from engine_service.sdk.trigger import WebhookTrigger
from shared.workflow import pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong with the shape."""
    yield from _check_triggers(subject)
    yield from _check_webhook_paths(subject)
    yield from _check_circles(subject)
    yield from _check_nesting(subject)


def _check_triggers(subject: Subject) -> Iterator[Diagnostic]:
    triggers = {place: node.disabled for place, node, _ in subject.triggers()}
    starts = [place for place, disabled in triggers.items() if not disabled]
    if not starts:
        yield Diagnostic(
            "/nodes",
            "no_trigger",
            "Nothing ever starts this workflow.",
            "Enable its trigger." if triggers else "Add a trigger, such as 'trigger.manual'.",
        )
        return
    reachable = subject.graph.reachable_from(starts)
    for place, node in enumerate(subject.nodes):
        if isinstance(subject.type_of(node), AttachedNode):
            continue  # `attachments` says whether anybody uses it
        if place not in reachable and place not in triggers:
            yield Diagnostic(
                pointer(["nodes", place]),
                "unreachable_node",
                f"No trigger leads to {node.name!r}, so it never runs.",
                "Connect it, or remove it.",
                Severity.WARNING,
            )


def _check_webhook_paths(subject: Subject) -> Iterator[Diagnostic]:
    paths: set[str] = set()
    for place, node, trigger in subject.triggers():
        if node.disabled or not isinstance(trigger, WebhookTrigger):
            continue
        try:
            path = trigger.path(trigger.Parameters.model_validate(node.parameters))
        except ValidationError:
            continue  # said already, with the place
        if path and path in paths:
            yield Diagnostic(
                pointer(["nodes", place, "parameters"]),
                "duplicate_webhook_path",
                f"Another trigger of this workflow listens on {path!r} already.",
                "Give it another path.",
            )
        paths.add(path)


_MAY_STOP = frozenset(
    {"flow.filter", "data.dedupe", "data.split", "code.javascript", "code.python", "flow.stop"}
)
"""Types that have one port and yet may end a pass of a circle, by giving nothing or failing."""


def _check_circles(subject: Subject) -> Iterator[Diagnostic]:
    """A circle that does not lead through the body of a loop needs a way out of it."""
    edges = {
        (source, target): place
        for place, source, target in subject.edges
        if not _enters_body(subject, place, source)
    }
    graph = Graph(len(subject.nodes), edges)
    within = {place: members for members in map(frozenset, graph.components()) for place in members}
    for circle in graph.circles():
        if any(_may_leave(subject, place, within[circle[0]]) for place in within[circle[0]]):
            continue
        shown = circle if len(circle) <= 8 else [*circle[:4], *circle[-4:]]
        way = " → ".join(subject.nodes[place].name for place in [*shown, circle[0]])
        yield Diagnostic(
            pointer(["connections", edges[circle[-1], circle[0]]]),
            "cycle",
            f"Nothing leads out of this circle, so it would go round for ever: {way}.",
            "Decide in it, with a 'flow.if', whether to go round once more; or remove this "
            "connection.",
        )


def _may_leave(subject: Subject, place: int, circle: frozenset[int]) -> bool:
    """Whether a node of a circle may let nothing go round any more."""
    node = subject.nodes[place]
    node_type = subject.type_of(node)
    leading_in = {
        subject.workflow.connections[connection].port
        for connection, source, target in subject.edges
        if source == place and target in circle
        and not subject.workflow.connections[connection].attaches
    }  # fmt: skip
    if node_type is None or not leading_in:
        return node_type is None
    ports = [port for port in node_type.ports(node.parameters) if port != LOOP]
    if node.disabled:
        return False  # it hands everything on
    if node.settings.on_error == "error_port":
        ports.append(ERROR)
    return node.type in _MAY_STOP or bool(set(ports) - leading_in)


def _check_nesting(subject: Subject) -> Iterator[Diagnostic]:
    """Of two loops that lead to each other one is inside; each inside the other makes no sense."""
    inside: dict[int, set[int]] = {}
    for members in subject.graph.components():
        loops = [place for place in members if subject.nodes[place].type == LOOP_TYPE]
        for place in loops if len(loops) > 1 else []:
            inside[place] = _body(subject, place) & set(loops)
    for outer, body in inside.items():
        for inner in sorted(body):
            if inner < outer and outer in inside[inner]:
                yield Diagnostic(
                    pointer(["nodes", outer]),
                    "loops_entangled",
                    f"{subject.nodes[outer].name!r} and {subject.nodes[inner].name!r} are loops "
                    "inside each other.",
                    "Lead the inner loop's body back to the inner loop, and its port 'done' on.",
                )


def _body(subject: Subject, loop: int) -> set[int]:
    """What lies in a loop: behind its port `loop`, but not behind another port."""
    first: set[int] = set()
    other: set[int] = set()
    for place, source, target in subject.edges:
        if source == loop:
            (first if _enters_body(subject, place, source) else other).add(target)
    graph = subject.graph
    return graph.reachable_from(first, without=loop) - graph.reachable_from(other, without=loop)


def _enters_body(subject: Subject, connection: int, source: int) -> bool:
    node = subject.nodes[source]
    port = subject.workflow.connections[connection].port
    return node.type == LOOP_TYPE and not node.disabled and port == LOOP

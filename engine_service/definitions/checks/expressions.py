"""Checks every expression: it can be read, and it speaks only of nodes that have run by then."""

from collections.abc import Iterator

from engine_service.definitions.checks.diagnostic import Diagnostic, Subject
from engine_service.expressions import Expression, ExpressionError, compile_parameters
from engine_service.expressions.names import SCOPE_NAMES
from engine_service.sdk.trigger import Trigger
from shared.workflow import Node, pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong with expressions; a trigger's are refused as such elsewhere."""
    named = {node.name: place for place, node in reversed([*enumerate(subject.nodes)])}
    for place, node in enumerate(subject.nodes):
        node_type = subject.type_of(node)
        if node.disabled or isinstance(node_type, Trigger):
            continue
        verbatim = node_type.verbatim if node_type is not None else ()
        for slot in compile_parameters(node.parameters, verbatim).slots:
            where = pointer(["nodes", place, "parameters"]) + slot.pointer
            if slot.expression.problem is not None:
                yield _problem(where, slot.expression.problem)
                continue
            yield from _check_names(subject, where, slot.expression)
            for name in sorted(slot.expression.facts.nodes):
                yield from _check_reference(subject, (place, where), name, named)


def _problem(where: str, problem: ExpressionError) -> Diagnostic:
    return Diagnostic(
        where,
        problem.code.lower(),
        f"{problem.message}, at sign {problem.position + 1} of {problem.expression[:80]!r}.",
    )


def _check_names(subject: Subject, where: str, expression: Expression) -> Iterator[Diagnostic]:
    for name in sorted(expression.facts.unknown):
        yield Diagnostic(
            where,
            "unknown_name",
            f"Expressions know no {name!r}.",
            subject.nearest(name, SCOPE_NAMES) or "Data of the item at hand is below '$json'.",
        )


def _check_reference(
    subject: Subject, at: tuple[int, str], name: str, named: dict[str, int]
) -> Iterator[Diagnostic]:
    place, where = at
    target = named.get(name)
    if target is None:
        yield Diagnostic(
            where,
            "unknown_reference",
            f"No node is called {name!r}.",
            _meant(subject, name, named),
        )
    elif not subject.ancestors[place] >> target & 1:
        yield Diagnostic(
            where,
            "reference_not_upstream",
            f"{name!r} does not run before {subject.nodes[place].name!r}, so it has no data here.",
            f"Connect the two, or use a node on the way to {subject.nodes[place].name!r}.",
        )


def _meant(subject: Subject, name: str, named: dict[str, int]) -> str:
    place = subject.index.get(name)
    if place is not None:
        node: Node = subject.nodes[place]
        return f"Expressions use a node's name: write {node.name!r}."
    return subject.nearest(name, named)

"""Checks each node by itself: its type, its version, its credentials and its parameters."""

from collections.abc import Iterator
from typing import Any

from engine_service.definitions.checks import parameters
from engine_service.definitions.checks.diagnostic import Diagnostic, Subject
from engine_service.definitions.checks.parameters import Finding
from engine_service.expressions import compile_parameters
from engine_service.sdk.node import NodeType
from engine_service.sdk.trigger import Trigger
from shared.workflow import Node, pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong within nodes."""
    for place, node in enumerate(subject.nodes):
        node_type = subject.type_of(node)
        base = pointer(["nodes", place])
        if node_type is None:
            yield Diagnostic(
                f"{base}/type",
                "unknown_node_type",
                f"There is no node type {node.type!r}.",
                subject.nearest(node.type, [known.type for known in subject.catalogue]),
            )
            continue
        if node.version != node_type.version:
            yield Diagnostic(
                f"{base}/version",
                "unknown_node_version",
                f"The node type {node.type!r} has no version {node.version}.",
                f"Use version {node_type.version}.",
            )
        yield from _check_credentials(subject, base, node, node_type)
        if not node.disabled:
            yield from _check_parameters(subject, f"{base}/parameters", node, node_type)


def _check_credentials(
    subject: Subject, base: str, node: Node, node_type: NodeType[Any]
) -> Iterator[Diagnostic]:
    for name in node.credentials:
        if name not in node_type.credential_types:
            yield Diagnostic(
                base + pointer(["credentials", name]),
                "unknown_credential_type",
                f"The node type {node.type!r} cannot use the credential type {name!r}.",
                subject.nearest(name, node_type.credential_types),
            )


def _check_parameters(
    subject: Subject, base: str, node: Node, node_type: NodeType[Any]
) -> Iterator[Diagnostic]:
    for found in parameters.check(type(node_type), node.parameters):
        yield Diagnostic(
            base + found.pointer, found.code, found.message, _mending(subject, found, node_type)
        )
    if isinstance(node_type, Trigger):
        for slot in compile_parameters(node.parameters).slots:
            yield Diagnostic(
                base + slot.pointer,
                "expression_in_trigger",
                "A trigger is set up before any run, so there is nothing to compute from.",
                "Write the value itself.",
            )


def _mending(subject: Subject, found: Finding, node_type: NodeType[Any]) -> str:
    if found.missing:
        return f"Add {found.missing!r}."
    if not found.unknown:
        return ""
    if found.pointer.count("/") > 1:
        return "Remove it."
    names = list(node_type.Parameters.described())
    return subject.nearest(found.unknown, names) or "Remove it."

"""n8n's connections as edges between ports that have names."""

from collections.abc import Iterator, Mapping, Sequence

from engine_service.n8n.document import MAIN, Wire
from engine_service.n8n.mapping import Mapped
from engine_service.sdk.node import ERROR
from shared.attachments import ATTACHMENTS
from shared.workflow import JsonObject

_KINDS = {"ai_tool": "tool", "ai_memory": "memory"}
"""What n8n calls the ways in which nodes are attached, as far as there are the same here."""


def edges(
    wires: Sequence[Wire],
    mapped: Mapping[str, Mapped],
    ids: Mapping[str, str],
    with_error_port: frozenset[str],
) -> Iterator[JsonObject | str]:
    """An edge for each connection, or a sentence where there is no such port or input here.

    Args:
        wires: The connections, in n8n's order.
        mapped: By node's name, what it became. What was absorbed is not in it.
        ids: By node's name, its id now.
        with_error_port: Names of nodes that send failing items out of a port of their own.
    """
    for wire in wires:
        if wire.source not in mapped or wire.target not in mapped:
            continue  # part of the node it was attached to
        source, target = mapped[wire.source], mapped[wire.target]
        if target.type == "trigger.mcp":  # its tool is what it begins with
            yield {"from": ids[wire.target], "to": ids[wire.source]}
            continue
        name = _input(wire, target)
        ports = _ports(wire, source, wire.source in with_error_port, takes=name in ATTACHMENTS)
        if not ports or name is None:
            place = f"output {wire.output}" if not ports else f"input {wire.input}"
            ends = f"from {wire.source!r} to {wire.target!r}"
            yield f"The connection {ends} is lost: there is no {place} here."
            continue
        for port in ports:
            edge = {"from": ids[wire.source], "to": ids[wire.target]}
            if port != MAIN:
                edge["port"] = port
            if name != MAIN:
                edge["input"] = name
            yield edge


def _ports(wire: Wire, source: Mapped, has_error_port: bool, *, takes: bool) -> tuple[str, ...]:
    if wire.kind != MAIN:
        # A node with a counterpart has no port for this: that it serves another says the input.
        return (wire.kind,) if wire.kind in source.outputs else (MAIN,) if takes else ()
    outputs = [port for port in source.outputs if not str(port).startswith("ai_")]
    if wire.output < len(outputs):
        found = outputs[wire.output]
        return (found,) if isinstance(found, str) else found
    return (ERROR,) if has_error_port and wire.output == len(outputs) else ()


def _input(wire: Wire, target: Mapped) -> str | None:
    if wire.kind != MAIN:
        kind = _KINDS.get(wire.kind, wire.kind) if target.type == "ai.agent" else wire.kind
        return kind if wire.kind in target.inputs else None
    inputs = [name for name in target.inputs if not name.startswith("ai_")]
    return inputs[wire.input] if wire.input < len(inputs) else None

"""What the expressions of one node can see: data only, given by the caller.

Nothing here reaches for anything: items, outputs of other nodes, time and variables are all handed
in. Only what an expression mentions is serialised for V8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine_service.expressions.failure import NODE_NOT_EXECUTED, ExpressionError
from shared.workflow import Item

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of such."""


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """What a node gave out, when more than its latest main list matters.

    Attributes:
        runs: By run (iteration) and by port position, the items. `$('Node').all(port, run)` picks;
            without arguments, the last run's `port`.
        port: The position of the port that leads to whoever asks.
    """

    runs: Sequence[Sequence[Sequence[Item]]]
    port: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The data of one node's evaluation.

    Attributes:
        items: The node's input items, `{"json", "binary"?, "paired_item"?}`.
        now: The moment this node runs, aware. It is also what `new Date()` gives.
        zone: IANA name of the workflow's time zone.
        nodes: Outputs by node name, of those nodes that have run. A plain list of items stands for
            a single run with a single port.
        pairs: By node name: for each of `items`, the position of the item in that node's output
            from which it was made, or None when that is unknown. Only asked for names that an
            expression uses, so it may be a lazy mapping.
        run: `$run`. workflow: `$workflow`. variables: `$vars`.
        env: `$env`; the caller allow-lists.
        parameters: By node name, its parameters as written: `$('Node').params`, `$parameter`.
        node: `{"name", "id", "version"}` of the node itself.
        previous: `$prevNode`: `{"name", "outputIndex", "runIndex"}`.
        extra: Further names that only this node type knows, such as `$response`.
    """

    items: Sequence[Item]
    now: datetime
    zone: str = "UTC"
    nodes: Mapping[str, Sequence[Item] | NodeOutput] = field(default_factory=dict[str, Any])
    pairs: Mapping[str, Sequence[int | None]] = field(default_factory=dict[str, Any])
    run: Mapping[str, Json] = field(default_factory=dict[str, Any])
    workflow: Mapping[str, Json] = field(default_factory=dict[str, Any])
    variables: Mapping[str, Json] = field(default_factory=dict[str, Any])
    env: Mapping[str, str] = field(default_factory=dict[str, Any])
    parameters: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Any])
    node: Mapping[str, Json] = field(default_factory=dict[str, Any])
    previous: Mapping[str, Json] = field(default_factory=dict[str, Any])
    extra: Mapping[str, Json] = field(default_factory=dict[str, Any])

    def runs_of(self, name: str) -> Sequence[Sequence[Sequence[Item]]]:
        """A node's output by run and port.

        Raises:
            ExpressionError: The node has not run.
        """
        output = self.nodes.get(name)
        if output is None:
            raise ExpressionError(
                f'The node "{name}" has not run, so its data cannot be used',
                code=NODE_NOT_EXECUTED,
            )
        return output.runs if isinstance(output, NodeOutput) else [[output]]

    def items_of(self, name: str) -> Sequence[Item]:
        """The items of a node's last run, by the port that leads here."""
        runs, port = self.runs_of(name), self.port_of(name)
        return runs[-1][port] if runs and port < len(runs[-1]) else []

    def port_of(self, name: str) -> int:
        """The position of the port of a node that leads here."""
        output = self.nodes.get(name)
        return output.port if isinstance(output, NodeOutput) else 0

"""Where a workflow goes on: loose ends of what is built already, and the data that stands there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_service.authors.offline.scope import Scope
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class End:
    """A loose end: what leaves a node by a port and arrives nowhere yet."""

    node_id: str
    port: str = "main"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next node goes: behind these ends, with this data, in this row of the picture."""

    ends: Sequence[End]
    scope: Scope
    row: int = 0

    def behind(self, *ends: End, scope: Scope | None = None) -> "Place":
        return replace(self, ends=ends, scope=scope or self.scope)


def edge(end: End, target: str, name: str = "main") -> JsonObject:
    """The connection from a loose end to an input of a node."""
    made: JsonObject = {"from": end.node_id, "to": target}
    if end.port != "main":
        made["port"] = end.port
    if name != "main":
        made["input"] = name
    return made


def meet(ways: Sequence[Place]) -> Place:
    """Where several ways meet: all their open ends, and what is known on each of them."""
    living = [way for way in ways if way.ends] or list(ways[:1])
    met = living[0]
    for way in living[1:]:
        met = replace(met, ends=[*met.ends, *way.ends], scope=met.scope.joined(way.scope))
    return met

"""From a `Reading` to a definition: nodes, the edges between them, and where they stand.

`compose` makes a whole one, `insert` puts steps into one that is there already; `composer` does the
building. What has no node becomes a placeholder that does nothing and says, in its notes, what is
to be done there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_service.authors.offline.canvas import COLUMN, Canvas
from agent_service.authors.offline.composer import Composer
from agent_service.authors.offline.places import Place, edge
from agent_service.authors.offline.reading import (
    Answer,
    ManualStart,
    Reading,
    ScheduleStart,
    Step,
    WebhookStart,
    walk,
)
from agent_service.catalogue import Catalogue
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Composition:
    """A definition, the ids of placeholders in it, and what was assumed."""

    definition: JsonObject
    unmatched: Sequence[str]
    assumptions: Sequence[str]


def compose(reading: Reading, catalogue: Catalogue) -> Composition:
    """Build the definition that a reading describes."""
    canvas = Canvas(catalogue)
    composer = Composer(reading, canvas)
    composer.build()
    definition: JsonObject = {"name": reading.title, "nodes": canvas.nodes}
    if canvas.connections:
        definition["connections"] = canvas.connections
    zone = reading.start.timezone if isinstance(reading.start, ScheduleStart) else ""
    if zone:
        definition["settings"] = {"timezone": zone}
    return Composition(definition, canvas.unmatched, composer.assumptions)


def insert(
    definition: JsonObject,
    steps: Sequence[Step],
    place: Place,
    catalogue: Catalogue,
    language: str,
    onward: Sequence[JsonObject],
) -> Composition:
    """Put steps into an existing definition, which is changed.

    Args:
        definition: The document, already cut open at the place.
        steps: What is to happen there.
        place: Behind which ends, with which data.
        catalogue: What there is.
        language: Of labels and notes.
        onward: The edges that led on from there; they now lead on from the new steps' ends.
    """
    has_webhook = any(node["type"] == "trigger.webhook" for node in definition["nodes"])
    start = WebhookStart("") if has_webhook else ManualStart()
    reading = Reading(language, str(definition.get("name", "")), start, list(steps))
    canvas = Canvas(catalogue, definition["nodes"], definition["connections"])
    canvas.columns = {
        node["id"]: round((node.get("position") or [0])[0] / COLUMN) for node in canvas.nodes
    }
    composer = Composer(reading, canvas)
    after = composer.place(steps, place)
    for old in onward:
        for end in after.ends:
            led = {key: value for key, value in old.items() if key in ("to", "input", "index")}
            canvas.connections.append({**edge(end, old["to"]), **led})
    if any(isinstance(step, Answer) for step in walk(list(steps))):
        _let_wait(canvas.nodes)
    return Composition(definition, canvas.unmatched, composer.assumptions)


def _let_wait(nodes: Sequence[JsonObject]) -> None:
    """A webhook whose caller is to be answered by a node waits for it."""
    for node in nodes:
        if node["type"] == "trigger.webhook":
            node.setdefault("parameters", {})["response_mode"] = "respond_node"

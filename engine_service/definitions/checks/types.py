"""Checks what expressions give: fields that nobody makes, and values of the wrong kind.

Of most items nothing is known before they are there; what is known comes from `shapes`. A guess is
a warning, and what cannot be otherwise an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from engine_service.definitions.checks.parameters import path_of
from engine_service.definitions.checks.shapes import Shapes, shapes_of
from engine_service.expressions import Expression, compile_parameters, parse
from engine_service.expressions.kinds import Guess, guess
from engine_service.expressions.names import METHODS, NATIVE_METHODS
from engine_service.expressions.paths import Path, Root
from engine_service.sdk.node import NodeType
from engine_service.sdk.shape import UNKNOWN, Kind, Shape
from engine_service.sdk.trigger import Trigger
from shared.workflow import JsonObject, Node, pointer

_MOST_NAMED = 8
_GUARDS = ("?", "||", "typeof", " in ", "hasField(", "keys(", "isEmpty(")
"""Signs that an expression reckons with a field that may not be there."""
_OWN = frozenset({Root.JSON})
_OF_INPUT = frozenset({Root.INPUT_ITEM, Root.INPUT_FIRST, Root.INPUT_LAST})
_OF_NODE = frozenset({Root.NODE_ITEM, Root.NODE_FIRST, Root.NODE_LAST, Root.NODE_VIEW})
_SAMPLES: Mapping[Kind, Sequence[Any]] = {
    "string": ("a", "1", "true", "2026-01-01T00:00:00Z", "https://example.com/", ""),
    "number": (1, 0, 2.5),
    "boolean": (True, False),
    "object": ({},),
    "array": ([],),
}
_SHOWN: Mapping[Kind, str] = {
    "string": "a text", "number": "a number", "boolean": "true or false", "object": "an object",
    "array": "a list", "any": "a value",
}  # fmt: skip
_MENDING: Mapping[tuple[Kind, str], str] = {
    ("object", "string"): "Take one of its fields, or write it as text with '.toJsonString()'.",
    ("array", "string"): "Make one text of it, such as with '.join(\", \")'.",
    ("string", "list"): "Use '.split(\",\")', or leave out what stands beside the expression.",
}


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What expressions give that is not wanted, or ask for that is not there."""
    shapes = shapes_of(subject)
    named = {node.name: place for place, node in reversed([*enumerate(subject.nodes)])}
    for place, node in enumerate(subject.nodes):
        node_type = subject.type_of(node)
        if node.disabled or node_type is None or isinstance(node_type, Trigger):
            continue
        seen = _Seen(subject, shapes, named, place)
        guesses: dict[str, Guess] = {}
        for slot in compile_parameters(node.parameters, node_type.verbatim).slots:
            if slot.expression.problem is None:
                yield from seen.unknown_fields(slot.expression, slot.pointer)
                found = seen.kind(slot.expression)
                if found is not None:
                    guesses[slot.pointer] = found
        yield from _wrong_types(place, node, node_type, guesses)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the expressions of one node see."""

    subject: Subject
    shapes: Shapes
    named: Mapping[str, int]
    place: int

    def unknown_fields(self, expression: Expression, at: str) -> Iterator[Diagnostic]:
        """Fields that are read and that nobody makes."""
        where = pointer(["nodes", self.place, "parameters"]) + at
        if any(sign in expression.source for sign in _GUARDS):
            return
        if expression.path is not None:
            shape, keys, source = self._read(expression.path)
            if keys:
                yield from self._missing(where, keys[0], shape, source)
        else:
            for way in sorted(expression.facts.json_paths):
                if way and way[0] not in METHODS | NATIVE_METHODS:
                    yield from self._missing(where, way[0], self.shapes.given[self.place], "")

    def kind(self, expression: Expression) -> Guess | None:
        """Of what kind the value of an expression is."""
        if expression.path is None:
            return guess(expression.source)
        shape, keys, _ = self._read(expression.path)
        found = shape.fields.get(keys[0], "any") if len(keys) == 1 else "any"
        return None if found == "any" else Guess(found, certain=False)

    def _read(self, path: Path) -> tuple[Shape, list[str], str]:
        """The items that a path goes into, the fields on its way, and whose items they are."""
        names = [key.name for key in path.keys]
        if path.root in _OWN:
            return self.shapes.given[self.place], names, ""
        if names[:1] not in (["json"], ["data"]):
            return UNKNOWN, [], ""
        if path.root in _OF_INPUT:
            return self.shapes.given[self.place], names[1:], ""
        source = self.named.get(path.node)
        if path.root in _OF_NODE and source is not None:
            return self.shapes.made[source], names[1:], path.node
        return UNKNOWN, [], ""

    def _missing(self, where: str, name: str, shape: Shape, source: str) -> Iterator[Diagnostic]:
        if shape.is_open or name in shape.fields:
            return
        whose = f"of {source!r}" if source else "that come here"
        some = list(shape.fields)[:_MOST_NAMED]
        more = ", …" if len(shape.fields) > len(some) else ""
        there = f"They have: {', '.join(some)}{more}." if some else "They have no fields."
        yield Diagnostic(
            where,
            "unknown_field",
            f"The items {whose} have no field {name!r}.",
            self.subject.nearest(name, shape.fields) or there,
            Severity.WARNING,
        )


def _wrong_types(
    place: int, node: Node, node_type: NodeType[Any], guesses: Mapping[str, Guess]
) -> Iterator[Diagnostic]:
    """Values that a parameter does not take, whatever they are."""
    texts = {at: _whole(node.parameters, at, found) for at, found in guesses.items()}
    for kind, samples in _SAMPLES.items():
        here = [at for at, found in texts.items() if found.kind == kind]
        refused = dict.fromkeys(here, "")
        for sample in samples if here else ():
            said = _refusals(node_type, node.parameters, dict.fromkeys(here, sample))
            refused = {at: said[at] for at in refused if at in said}
        for at, message in refused.items():
            wanted = message.rpartition(" ")[2].rstrip(".")
            yield Diagnostic(
                pointer(["nodes", place, "parameters"]) + at,
                "wrong_type",
                f"This gives {_SHOWN[kind]}; {message[:1].lower()}{message[1:].rstrip('.')}.",
                _MENDING.get((kind, wanted), ""),
                Severity.ERROR if texts[at].certain else Severity.WARNING,
            )


def _whole(parameters: JsonObject, at: str, found: Guess) -> Guess:
    """What the text becomes in which an expression stands: text, unless it is all there is."""
    text = _value_at(parameters, at.split("/")[1:])
    alone = isinstance(text, str) and len(parse(text).parts) == 1
    return found if alone else Guess("string")


def _value_at(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return value
    name = steps[0].replace("~1", "/").replace("~0", "~")
    if isinstance(value, list):
        return _value_at(cast("list[Any]", value)[int(name)], steps[1:])
    return _value_at(value[name], steps[1:])


def _refusals(
    node_type: NodeType[Any], parameters: JsonObject, samples: Mapping[str, Any]
) -> dict[str, str]:
    """By the place of a sample, why its kind is refused there."""
    filled: JsonObject = _with(parameters, "", samples)
    try:
        node_type.Parameters.model_validate(filled)
    except ValidationError as error:
        details = error.errors(include_url=False)
    else:
        return {}
    said: dict[str, str] = {}
    possible: set[str] = set()
    for one in details:
        place = pointer(path_of(one, filled))
        if place in samples and one["type"].endswith(("_type", "_parsing")):
            said.setdefault(place, one["msg"])
        else:
            # What is refused for what it holds, or inside, might have been right otherwise.
            possible.update(at for at in samples if place == at or place.startswith(f"{at}/"))
    return {at: message for at, message in said.items() if at not in possible}


def _with(value: Any, at: str, samples: Mapping[str, Any]) -> Any:
    """A copy with samples in their places."""
    if at in samples:
        return samples[at]
    if isinstance(value, dict):
        fields = cast("JsonObject", value).items()
        return {name: _with(inner, at + pointer([name]), samples) for name, inner in fields}
    if isinstance(value, list):
        members = enumerate(cast("list[Any]", value))
        return [_with(inner, f"{at}/{number}", samples) for number, inner in members]
    return value

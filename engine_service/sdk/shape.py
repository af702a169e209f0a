"""What is known of items before any run: the names of their fields, and of what kind values are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["any", "string", "number", "boolean", "object", "array"]
_MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """The items that come, or leave.

    Attributes:
        fields: The kind of each field that they may have.
        is_open: They may have others, too.
    """

    fields: Mapping[str, Kind] = field(default_factory=dict[str, Kind])
    is_open: bool = False

    def extended(self, more: Mapping[str, Kind]) -> "Shape":
        """These items with more fields; those of the same name give way."""
        return _limited({**self.fields, **more}, is_open=self.is_open)

    def without(self, names: Iterable[str]) -> "Shape":
        """These items without some fields."""
        gone = frozenset(names)
        rest: dict[str, Kind] = {
            name: kind for name, kind in self.fields.items() if name not in gone
        }
        return Shape(rest, self.is_open)

    def joined(self, other: "Shape") -> "Shape":
        """Items of which some are of the one shape and some of the other."""
        if other == self:
            return self
        fields: dict[str, Kind] = {**other.fields, **self.fields}
        for name, kind in other.fields.items():
            fields[name] = kind if self.fields.get(name, kind) == kind else "any"
        return _limited(fields, is_open=self.is_open or other.is_open)


UNKNOWN = Shape({}, True)


def kind_of(value: Any) -> Kind:
    """The kind of a JSON value; of null nothing is known."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "any"


def _limited(fields: dict[str, Kind], *, is_open: bool) -> Shape:
    """The shape; what would be too long to hold is only said to be there."""
    if len(fields) <= _MOST_FIELDS:
        return Shape(fields, is_open)
    return Shape(dict(list(fields.items())[:_MOST_FIELDS]), True)

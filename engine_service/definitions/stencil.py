"""Parameters that are validated once, with holes for what differs from item to item.

Most expressions stand where a node type takes any value. There is nothing to validate in what they
come to, so the rest is validated once and copied for each item: an eighth of the time, and a node
may have ten thousand items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from engine_service.expressions.parameters import CompiledParameters, Text
from engine_service.sdk.node import NodeParameters


@dataclass(frozen=True, slots=True)
class Stencil:
    """A node's parameters with holes."""

    _whole: "_Part"

    def cut(self, values: Sequence[Any]) -> NodeParameters:
        """The parameters with an item's values, by slot."""
        return self._whole.filled(values)


_new = object.__new__
_set = object.__setattr__


def stencil_of(model: type[NodeParameters], compiled: CompiledParameters) -> Stencil | None:
    """A stencil, if every expression stands where any value will do and nothing looks at it."""
    if any(slot.gap for slot in compiled.slots):
        return None
    try:
        whole = model.model_validate(compiled.with_texts(_Hole))
    except Exception:  # whatever a validator makes of a hole, it has looked
        return None
    holes: list[_Hole] = []
    part = _part_of(whole, holes)
    wanted = {slot for hole in holes for slot in hole.text.slots}
    if not isinstance(part, _Part) or len(wanted) != len(compiled.slots):
        return None
    return Stencil(part)


class _Hole:
    """Stands for the value of a text; only a field that takes any value takes this."""

    __slots__ = ("text",)

    def __init__(self, text: Text) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class _Part:
    """A model, object or list with holes somewhere in it.

    Attributes:
        model: Its type, if it is a model. fields_set: Which of its fields were set.
        inside: Its fields, members or elements, with nothing that counts in the holes.
        values: By field, key or place: the slot whose value stands there.
        texts: Those in which values are only a part.
        parts: What has holes of its own.
    """

    model: type[BaseModel] | None
    fields_set: set[str] | None
    inside: Any
    values: tuple[tuple[Any, int], ...]
    texts: tuple[tuple[Any, Text], ...]
    parts: tuple[tuple[Any, "_Part"], ...]

    def filled(self, values: Sequence[Any]) -> Any:
        """A copy with values in its holes.

        A model is made as `model_copy` makes it, at a third of the cost: what it shares with the
        validated one is which fields were set, and that never changes.
        """
        inside = self.inside.copy()
        for key, slot in self.values:
            inside[key] = values[slot]
        for key, text in self.texts:
            inside[key] = text.fill(values)
        for key, part in self.parts:
            inside[key] = part.filled(values)
        if self.model is None:
            return inside
        made = _new(self.model)
        _set(made, "__dict__", inside)
        _set(made, "__pydantic_fields_set__", self.fields_set)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made


def _part_of(value: Any, holes: list[_Hole]) -> "_Part | None":
    """What of a value has holes; None when nothing has, or when it looks at what is in them."""
    texts: list[tuple[Any, Text]] = []
    parts: list[tuple[Any, _Part]] = []
    before = len(holes)
    for key, member in _members(value):
        if isinstance(member, _Hole):
            holes.append(member)
            texts.append((key, member.text))
        elif (part := _part_of(member, holes)) is not None:
            parts.append((key, part))
    if not texts and not parts:
        return None
    if isinstance(value, BaseModel) and _looks(value):
        del holes[before:]
        return None
    whole = [(key, text.slots[0]) for key, text in texts if text.is_value]
    mixed = [(key, text) for key, text in texts if not text.is_value]
    holes_in = tuple(whole), tuple(mixed), tuple(parts)
    if isinstance(value, BaseModel):
        return _Part(type(value), value.model_fields_set, value.__dict__, *holes_in)
    return _Part(None, None, value, *holes_in)


def _members(value: Any) -> Sequence[tuple[Any, Any]]:
    if isinstance(value, BaseModel):
        return list(value.__dict__.items())
    if isinstance(value, dict):
        return list(cast("Mapping[str, Any]", value).items())
    if isinstance(value, list):
        return list(enumerate(cast("list[Any]", value)))
    return ()


def _looks(model: BaseModel) -> bool:
    """Whether a model validates more than the types of its fields."""
    said = type(model).__pydantic_decorators__
    return bool(
        said.field_validators
        or said.validators
        or said.model_validators
        or said.root_validators
        or type(model).__private_attributes__
        or model.model_extra is not None
        or any(one.metadata for one in type(model).model_fields.values() if one.annotation is Any)
    )

"""A node's parameters, compiled once: which texts hold expressions, and how to fill them.

Compiled by content, so every run of the same node shares one. Parameters without expressions come
back as they are; plain paths are filled here; the rest waits for `Evaluator`.

An expression that gives nothing at all fills its place with null. Where the parameters hold
`missing: leave_out`, it leaves the property out whose whole value it is, as JSON does.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from engine_service.expressions.failure import ExpressionError
from engine_service.expressions.scope import Json, Scope
from engine_service.expressions.template import OPEN, Expression, Template, parse
from engine_service.expressions.text import to_text
from engine_service.expressions.wire import to_json
from shared.workflow import pointer

Outcome = Json | ExpressionError
"""What an expression, or all parameters, came to for one item: a value, or why there is none."""

_MAX_COMPILED = 2_000
_LEAVES_OUT = ("missing", "leave_out")


class _Absent:
    """What an expression gives that gives nothing, where that is told from null."""


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Slot:
    """One expression of the parameters, and where its text stands.

    Attributes:
        gap: It gives ABSENT where it gives nothing.
    """

    expression: Expression
    pointer: str
    gap: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """A text with expressions; `slots` are the positions of its expressions, in order."""

    template: Template
    slots: tuple[int, ...]

    def fill(self, values: Sequence[Json]) -> Json:
        if len(self.template.parts) == 1:
            return values[self.slots[0]]
        given = iter(self.slots)
        return "".join(
            part if isinstance(part, str) else to_text(values[next(given)])
            for part in self.template.parts
        )


@dataclass(frozen=True, slots=True)
class _Object:
    entries: tuple[tuple[str, Any], ...]

    def fill(self, values: Sequence[Json]) -> Json:
        return {
            key: part.fill(values) if isinstance(part, _DYNAMIC) else part
            for key, part in self.entries
        }


@dataclass(frozen=True, slots=True)
class _Gappy:
    """An object that does without what is absent."""

    whole: _Object

    def fill(self, values: Sequence[Json]) -> Json:
        filled: dict[str, Json] = self.whole.fill(values)
        return {key: value for key, value in filled.items() if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class _List:
    entries: tuple[Any, ...]

    def fill(self, values: Sequence[Json]) -> Json:
        return [part.fill(values) if isinstance(part, _DYNAMIC) else part for part in self.entries]


_DYNAMIC = (_Text, _Object, _Gappy, _List)


@dataclass(frozen=True, slots=True)
class CompiledParameters:
    """Parameters ready to be filled.

    Attributes:
        slots: Every expression in them.
        is_static: There is none; filling gives the parameters themselves.
        per_item: Some expression may differ from item to item. Otherwise they are filled once.
    """

    slots: tuple[Slot, ...]
    is_static: bool
    per_item: bool
    _form: Any

    def indexes(self, scope: Scope) -> Sequence[int]:
        """The items to fill for: all, or the first alone when nothing depends on the item."""
        return range(len(scope.items)) if self.per_item else (0,)

    def try_resolve(self, scope: Scope, indexes: Sequence[int] | None = None) -> list[Json] | None:
        """Fill without V8: one entry for each index, shared structure where nothing is filled.

        Returns:
            None when some expression is more than a plain path.

        Raises:
            ExpressionError: A path leads to a node that has not run or an item that is unknown.
        """
        if any(slot.expression.path is None for slot in self.slots):
            return None
        outcomes = self.fill([None] * len(self.slots), scope, indexes)
        return [value_of(outcome) for outcome in outcomes]

    def fill(
        self,
        columns: Sequence[Sequence[Outcome] | None],
        scope: Scope,
        indexes: Sequence[int] | None,
    ) -> list[Outcome]:
        """Put values into the form, for each index.

        By slot, `columns` is what V8 made of it: one outcome for each index, or one for all; or
        None for a path, which is read here.
        """
        chosen = self.indexes(scope) if indexes is None else indexes
        return [self._fill_one(columns, scope, row, index) for row, index in enumerate(chosen)]

    def _fill_one(
        self, columns: Sequence[Sequence[Outcome] | None], scope: Scope, row: int, index: int
    ) -> Outcome:
        values: list[Json] = []
        for slot, column in zip(self.slots, columns, strict=True):
            try:
                values.append(_read(slot, column, scope, row, index))
            except ExpressionError as error:
                item = index if slot.expression.facts.differs_by_item else None
                return error.located(
                    expression=slot.expression.source, pointer=slot.pointer, item_index=item
                )
        return self._form.fill(values) if isinstance(self._form, _DYNAMIC) else self._form


def value_of(outcome: Outcome) -> Json:
    """The value.

    Raises:
        ExpressionError: There is none.
    """
    if isinstance(outcome, ExpressionError):
        raise outcome
    return outcome


def compile_parameters(parameters: Json, verbatim: Sequence[str] = ()) -> CompiledParameters:
    """Compile, or find what was compiled from equal parameters before.

    The parameters named `verbatim` are kept as they are: braces in an author's code are its own.
    """
    return _known.get(parameters, tuple(verbatim))


class _Compiled:
    """The latest compiled parameters by the digest of their content."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, CompiledParameters] = OrderedDict()

    def get(self, parameters: Json, verbatim: tuple[str, ...]) -> CompiledParameters:
        digest = hashlib.sha256(to_json([parameters, verbatim])).digest()
        found = self._by_digest.get(digest)
        if found is None:
            found = self._by_digest[digest] = _compile(parameters, verbatim)
            if len(self._by_digest) > _MAX_COMPILED:
                self._by_digest.popitem(last=False)
        else:
            self._by_digest.move_to_end(digest)
        return found


_known = _Compiled()


def _compile(parameters: Json, verbatim: tuple[str, ...]) -> CompiledParameters:
    slots: list[Slot] = []
    if isinstance(parameters, dict):
        mapping = cast("dict[str, Json]", parameters)
        if mapping.get(_LEAVES_OUT[0]) == _LEAVES_OUT[1]:
            form: Any = _with_gaps(_form(mapping, (), slots), slots)
            return CompiledParameters(tuple(slots), not slots, _differs(slots), form)
    if verbatim and isinstance(parameters, dict):
        mapping = cast("dict[str, Json]", parameters)
        fields = tuple(
            (key, inner if key in verbatim else _form(inner, (key,), slots))
            for key, inner in mapping.items()
        )
        form = _Object(fields) if slots else mapping
    else:
        form = _form(parameters, (), slots)
    return CompiledParameters(tuple(slots), not slots, _differs(slots), form)


def _differs(slots: Sequence[Slot]) -> bool:
    return any(slot.expression.facts.differs_by_item for slot in slots)


def _with_gaps(form: Any, slots: list[Slot]) -> Any:
    """The form, in which objects do without what is absent; says so to the slots concerned."""
    match form:
        case _Object(entries):
            for _, part in entries:
                if isinstance(part, _Text) and len(part.template.parts) == 1:
                    slots[part.slots[0]] = replace(slots[part.slots[0]], gap=True)
            return _Gappy(_Object(tuple((key, _with_gaps(part, slots)) for key, part in entries)))
        case _List(entries):
            return _List(tuple(_with_gaps(part, slots) for part in entries))
        case _:
            return form


def _form(value: Json, at: tuple[str | int, ...], slots: list[Slot]) -> Any:
    """The value itself where nothing is to be filled, else a form of it."""
    if isinstance(value, str):
        return _text_form(value, at, slots) if OPEN in value else value
    if isinstance(value, dict):
        mapping = cast("dict[str, Json]", value)
        fields = tuple((key, _form(inner, (*at, key), slots)) for key, inner in mapping.items())
        return _Object(fields) if any(isinstance(part, _DYNAMIC) for _, part in fields) else mapping
    if isinstance(value, list | tuple):
        elements = cast("Sequence[Json]", value)
        parts = tuple(_form(inner, (*at, i), slots) for i, inner in enumerate(elements))
        return _List(parts) if any(isinstance(part, _DYNAMIC) for part in parts) else elements
    return value


def _text_form(text: str, at: tuple[str | int, ...], slots: list[Slot]) -> Any:
    template = parse(text)
    if not template.expressions:
        return "".join(part for part in template.parts if isinstance(part, str))
    first = len(slots)
    slots.extend(Slot(found, pointer(at)) for found in template.expressions)
    return _Text(template, tuple(range(first, len(slots))))


def _read(slot: Slot, column: Sequence[Outcome] | None, scope: Scope, row: int, index: int) -> Json:
    expression = slot.expression
    if expression.problem is not None:
        raise expression.problem
    if column is not None:
        return value_of(column[min(row, len(column) - 1)])
    if expression.path is None:
        return None
    value = expression.path.read(scope, index)
    gone = value is None and slot.gap and not expression.path.leads(scope, index)
    return ABSENT if gone else value

"""A node's parameters, compiled once: which texts hold expressions, and how to fill them.

Compiled by content, so every run of the same node shares one. Parameters without expressions come
back as they are; plain paths are filled here; the rest waits for `Evaluator`.

An expression that gives nothing at all fills its place with null. Where the parameters hold
`missing: leave_out`, it leaves the property out whose whole value it is, as JSON does.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from engine_service.expressions.failure import ExpressionError
from engine_service.expressions.paths import OF_ITEMS
from engine_service.expressions.scope import Json, Scope
from engine_service.expressions.template import OPEN, Expression, Template, parse
from engine_service.expressions.text import to_text
from engine_service.expressions.wire import to_json
from shared.workflow import pointer

Outcome = Json | ExpressionError
"""What an expression, or all parameters, came to for one item: a value, or why there is none."""
Row = Sequence[Json] | ExpressionError
"""What all expressions came to for one item, by slot; or why the first that has none has none."""

_MAX_COMPILED = 2_000
_LEAVES_OUT = ("missing", "leave_out")


class _Absent:
    """What an expression gives that gives nothing, where that is told from null."""


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Slot:
    """One expression of the parameters.

    Attributes:
        pointer: Where its text stands.
        per_item: Its value may differ from item to item.
        gap: It gives ABSENT where it gives nothing.
    """

    expression: Expression
    pointer: str
    per_item: bool
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A text with expressions; `slots` are the positions of its expressions, in order."""

    template: Template
    slots: tuple[int, ...]

    @property
    def is_value(self) -> bool:
        """Whether it is nothing but one expression."""
        return len(self.template.parts) == 1

    def fill(self, values: Sequence[Json]) -> Json:
        """The text with its values; the value itself where it is nothing but one expression."""
        if self.is_value:
            return values[self.slots[0]]
        given = iter(self.slots)
        return "".join(
            part if isinstance(part, str) else to_text(values[next(given)])
            for part in self.template.parts
        )


Put = Callable[[Text], Any]
"""What is to stand in the place of a text."""


@dataclass(frozen=True, slots=True)
class _Object:
    entries: tuple[tuple[str, Any], ...]

    def fill(self, put: Put) -> Json:
        return {
            key: _filled(part, put) if isinstance(part, _DYNAMIC) else part
            for key, part in self.entries
        }


@dataclass(frozen=True, slots=True)
class _Gappy:
    """An object that does without what is absent."""

    whole: _Object

    def fill(self, put: Put) -> Json:
        filled: dict[str, Json] = self.whole.fill(put)
        return {key: value for key, value in filled.items() if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class _List:
    entries: tuple[Any, ...]

    def fill(self, put: Put) -> Json:
        return [_filled(part, put) if isinstance(part, _DYNAMIC) else part for part in self.entries]


_DYNAMIC = (Text, _Object, _Gappy, _List)


def _filled(part: Text | _Object | _Gappy | _List, put: Put) -> Json:
    return put(part) if isinstance(part, Text) else part.fill(put)


@dataclass(frozen=True, slots=True)
class CompiledParameters:
    """Parameters ready to be filled.

    Attributes:
        slots: Every expression in them.
        is_static: There is none; filling gives the parameters themselves.
        per_item: Some expression may differ from item to item. Otherwise they are filled once.
        needs_only_items: All expressions are plain paths into the input's items.
    """

    slots: tuple[Slot, ...]
    is_static: bool
    per_item: bool
    needs_only_items: bool
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
        """Put values into the form, for each index; `columns` is as in `rows`."""
        return [self.filled(row) for row in self.rows(columns, scope, indexes)]

    def rows(
        self,
        columns: Sequence[Sequence[Outcome] | None],
        scope: Scope,
        indexes: Sequence[int] | None,
    ) -> list[Row]:
        """What the expressions came to, for each index.

        By slot, `columns` is what V8 made of it: one outcome for each index, or one for all; or
        None for a path, which is read here.
        """
        chosen = self.indexes(scope) if indexes is None else indexes
        if not self.slots or not chosen:
            return [() for _ in chosen]
        if len(chosen) == 1:
            return [self._row(columns, scope, chosen[0])]
        made = [
            _column(slot, column, scope, chosen)
            for slot, column in zip(self.slots, columns, strict=True)
        ]
        rows = list(zip(*(column for column, _ in made), strict=True))
        if all(sound for _, sound in made):
            return list(rows)
        return [_first_problem(row) or row for row in rows]

    def _row(self, columns: Sequence[Sequence[Outcome] | None], scope: Scope, index: int) -> Row:
        row: list[Json] = []
        for slot, column in zip(self.slots, columns, strict=True):
            try:
                row.append(_value(slot, column, scope, index))
            except ExpressionError as error:
                return _located(slot, error, index)
        return row

    def filled(self, row: Row) -> Outcome:
        """The parameters for one row."""
        if isinstance(row, ExpressionError):
            return row
        return self.with_texts(lambda text: text.fill(row))

    def with_texts(self, put: Put) -> Json:
        """The parameters, with something in the place of every text that holds expressions."""
        return _filled(self._form, put) if isinstance(self._form, _DYNAMIC) else self._form


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
            return _compiled(slots, form)
    if verbatim and isinstance(parameters, dict):
        mapping = cast("dict[str, Json]", parameters)
        fields = tuple(
            (key, inner if key in verbatim else _form(inner, (key,), slots))
            for key, inner in mapping.items()
        )
        form = _Object(fields) if slots else mapping
    else:
        form = _form(parameters, (), slots)
    return _compiled(slots, form)


def _compiled(slots: list[Slot], form: Any) -> CompiledParameters:
    per_item = any(slot.per_item for slot in slots)
    paths = [slot.expression.path for slot in slots]
    only_items = all(path is not None and path.root in OF_ITEMS for path in paths)
    return CompiledParameters(tuple(slots), not slots, per_item, only_items, form)


def _with_gaps(form: Any, slots: list[Slot]) -> Any:
    """The form, in which objects do without what is absent; says so to the slots concerned."""
    match form:
        case _Object(entries):
            for _, part in entries:
                if isinstance(part, Text) and part.is_value:
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
    slots.extend(
        Slot(found, pointer(at), found.facts.differs_by_item) for found in template.expressions
    )
    return Text(template, tuple(range(first, len(slots))))


def _column(
    slot: Slot, given: Sequence[Outcome] | None, scope: Scope, indexes: Sequence[int]
) -> tuple[Sequence[Outcome], bool]:
    """What one expression came to for each index, and whether it always has a value."""
    expression = slot.expression
    if expression.problem is not None:
        column: Sequence[Outcome] = [expression.problem]
    elif given is not None:
        column = given
    elif expression.path is None:
        column = [None]
    elif slot.gap:
        column = [_outcome(slot, scope, index) for index in indexes]
    elif slot.per_item:
        column = expression.path.column(scope, indexes)
    else:
        column = expression.path.column(scope, indexes[:1])
    sound = not any(isinstance(one, ExpressionError) for one in column)
    if not sound:
        column = [
            _located(slot, one, index) if isinstance(one, ExpressionError) else one
            for one, index in zip(column, indexes, strict=False)
        ]
    if len(column) < len(indexes):
        column = [column[0]] * len(indexes)
    return column, sound


def _value(slot: Slot, column: Sequence[Outcome] | None, scope: Scope, index: int) -> Json:
    """What one expression came to for one item."""
    expression = slot.expression
    if expression.problem is not None:
        raise expression.problem
    if column is not None:
        return value_of(column[0])
    if expression.path is None:
        return None
    value = expression.path.read(scope, index)
    gone = value is None and slot.gap and not expression.path.leads(scope, index)
    return ABSENT if gone else value


def _outcome(slot: Slot, scope: Scope, index: int) -> Outcome:
    try:
        return _value(slot, None, scope, index)
    except ExpressionError as error:
        return error


def _located(slot: Slot, error: ExpressionError, index: int) -> ExpressionError:
    expression = slot.expression
    item = index if slot.per_item else None
    return error.located(expression=expression.source, pointer=slot.pointer, item_index=item)


def _first_problem(row: Sequence[Outcome]) -> ExpressionError | None:
    return next((one for one in row if isinstance(one, ExpressionError)), None)

"""Conditions: what `flow.if`, `flow.switch` and `flow.filter` decide by.

Values come in with their expressions filled; true or false goes out, or a `NodeError` that says
which condition compared what it cannot. The operators are those of the filters that n8n users
know, named in snake case.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import Failed, NodeError
from engine_service.values import patterns
from engine_service.values.field_types import FieldType, NotOfType, convert, same
from engine_service.values.patterns import BadPattern

ConditionType = Literal["string", "number", "boolean", "date_time", "array", "object"]
Operator = Literal[
    "exists",
    "not_exists",
    "empty",
    "not_empty",
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "starts_with",
    "not_starts_with",
    "ends_with",
    "not_ends_with",
    "regex",
    "not_regex",
    "gt",
    "gte",
    "lt",
    "lte",
    "after",
    "after_or_equals",
    "before",
    "before_or_equals",
    "true",
    "false",
    "length_equals",
    "length_not_equals",
    "length_gt",
    "length_gte",
    "length_lt",
    "length_lte",
]


class Condition(BaseModel):
    """One comparison."""

    model_config = ConfigDict(extra="forbid")

    left: Any = Field(default=None, description="The value to test, usually an expression")
    type: ConditionType = Field(default="string", description="As what the values are compared")
    operator: Operator = Field(description="How; it must be one that the type has")
    right: Any = Field(
        default=None, description="The value to test against; not used by exists, empty, true, …"
    )


class Conditions(BaseModel):
    """Comparisons, joined by and/or."""

    model_config = ConfigDict(extra="forbid")

    conditions: list[Condition] = Field(min_length=1, max_length=100, description="The comparisons")
    combinator: Literal["and", "or"] = Field(
        default="and", description="`and` needs all of them, `or` one"
    )
    case_sensitive: bool = Field(
        default=True, description="Whether `A` and `a` differ when strings are compared"
    )
    loose: bool = Field(
        default=False,
        description="Convert values to the condition's type where that is possible (`'15'` to 15) "
        "instead of failing the item",
    )

    def hold(self, zone: tzinfo = UTC) -> bool:
        """Whether the conditions are met. `zone` is that of dates without an offset.

        Raises:
            NodeError: A value is not of its condition's type, or a pattern is malformed.
        """
        how = Comparison(self.case_sensitive, self.loose, zone)
        decisive = self.combinator == "or"
        for place, condition in enumerate(self.conditions):
            try:
                met = compare(
                    condition.type, condition.operator, (condition.left, condition.right), how
                )
            except NotOfType as error:
                raise NodeError(Failed("wrong_type", f"condition {place + 1}: {error}")) from error
            except BadPattern as error:
                raise NodeError(Failed("bad_pattern", f"condition {place + 1}: {error}")) from error
            if met is decisive:
                return decisive
        return not decisive

    def judge(self, zone: tzinfo = UTC) -> bool | Failed:
        """Like `hold`, but says what is wrong instead of raising it."""
        try:
            return self.hold(zone)
        except NodeError as error:
            return error.failure


class Comparison:
    """How values are compared, whatever the operator."""

    __slots__ = ("case_sensitive", "loose", "zone")

    def __init__(
        self, case_sensitive: bool = True, loose: bool = False, zone: tzinfo = UTC
    ) -> None:
        self.case_sensitive = case_sensitive
        self.loose = loose
        self.zone = zone


def compare(kind: str, operator: str, values: tuple[Any, Any], how: Comparison) -> bool:
    """One comparison; an operator that the type does not have is never met.

    Raises:
        NotOfType: A value is not of the type, and cannot be made so.
        BadPattern: A regular expression is malformed or takes too long.
    """
    left = _convert(values[0], kind, how)
    if operator in _PRESENCE:
        return _is_present(left) == (operator == "exists")
    test = _TESTS.get(kind, {}).get(operator)
    if test is None:
        return False
    right = None
    if operator not in UNARY:
        right = _convert(values[1], _right_type(kind, operator), how)
    if not how.case_sensitive:
        left, right = _fold(left), _fold(right) if operator not in _PATTERNS else right
    return test(left, right)


def operators_of(kind: str) -> Sequence[str]:
    """The operators a type has."""
    return (*_PRESENCE, *_TESTS.get(kind, {}))


UNARY = frozenset({"exists", "not_exists", "empty", "not_empty", "true", "false"})
_PRESENCE = ("exists", "not_exists")
_PATTERNS = frozenset({"regex", "not_regex"})


def _right_type(kind: str, operator: str) -> str:
    if operator.startswith("length_"):
        return "number"
    return "any" if kind in ("array", "object") else kind


def _convert(value: Any, kind: str, how: Comparison) -> Any:
    if isinstance(value, float) and value != value and kind == "number":
        return value  # NaN is of type number; it exists in no sense and equals nothing
    if kind == "boolean" and how.loose:
        return _truth(value)
    return convert(value, cast("FieldType", kind), strict=not how.loose, zone=how.zone)


def _truth(value: Any) -> bool | None:
    """A value as JavaScript's conditions see it, save that `"false"` and `"0"` are false."""
    if value is None:
        return None
    try:
        return bool(convert(value, "boolean"))
    except NotOfType:
        return isinstance(value, dict | list) or (bool(value) and value == value)


def _is_present(value: Any) -> bool:
    return value is not None and value == value  # NaN is not there


def _fold(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list):
        members = cast("list[Any]", value)
        return [member.lower() if isinstance(member, str) else member for member in members]
    return value


Test = Callable[[Any, Any], bool]


def _not(test: Test) -> Test:
    return lambda left, right: not test(left, right)


def _on_text(test: Callable[[str, str], bool]) -> Test:
    return lambda left, right: test(left or "", right or "")


def _ordered(test: Callable[[Any, Any], bool]) -> Test:
    """A comparison of order; what is not there is in no order."""
    return lambda left, right: _is_present(left) and _is_present(right) and test(left, right)


def _on_dates(test: Callable[[datetime, datetime], bool]) -> Test:
    return lambda left, right: bool(left) and bool(right) and test(_tick(left), _tick(right))


def _tick(moment: datetime) -> datetime:
    """A moment to the millisecond, as JavaScript has it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _on_length(test: Callable[[int, Any], bool]) -> Test:
    return lambda left, right: test(len(left or ()), right or 0)


def _includes(left: Any, right: Any) -> bool:
    return any(same(member, right) for member in left or ())


_absent: Test = lambda left, _: not _is_present(left)  # noqa: E731
_hollow: Test = lambda left, _: not left  # noqa: E731
_starts = _on_text(str.startswith)
_ends = _on_text(str.endswith)
_contains = _on_text(str.__contains__)
_matches = _on_text(lambda text, pattern: patterns.search(pattern, text))
_equal_text = _on_text(str.__eq__)
_presence: dict[str, Test] = {"empty": _absent, "not_empty": _not(_absent)}
_hollowness: dict[str, Test] = {"empty": _hollow, "not_empty": _not(_hollow)}

_TESTS: Mapping[str, Mapping[str, Test]] = {
    "string": {
        **_hollowness,
        "equals": _equal_text,
        "not_equals": _not(_equal_text),
        "contains": _contains,
        "not_contains": _not(_contains),
        "starts_with": _starts,
        "not_starts_with": _not(_starts),
        "ends_with": _ends,
        "not_ends_with": _not(_ends),
        "regex": _matches,
        "not_regex": _not(_matches),
    },
    "number": {
        **_presence,
        "equals": same,
        "not_equals": _not(same),
        "gt": _ordered(lambda left, right: left > right),
        "gte": _ordered(lambda left, right: left >= right),
        "lt": _ordered(lambda left, right: left < right),
        "lte": _ordered(lambda left, right: left <= right),
    },
    "boolean": {
        **_presence,
        "true": lambda left, _: bool(left),
        "false": lambda left, _: not left,
        "equals": same,
        "not_equals": _not(same),
    },
    "date_time": {
        **_presence,
        "equals": _on_dates(lambda left, right: left == right),
        "not_equals": _on_dates(lambda left, right: left != right),
        "after": _on_dates(lambda left, right: left > right),
        "after_or_equals": _on_dates(lambda left, right: left >= right),
        "before": _on_dates(lambda left, right: left < right),
        "before_or_equals": _on_dates(lambda left, right: left <= right),
    },
    "array": {
        **_hollowness,
        "contains": _includes,
        "not_contains": _not(_includes),
        "length_equals": _on_length(lambda length, wanted: length == wanted),
        "length_not_equals": _on_length(lambda length, wanted: length != wanted),
        "length_gt": _on_length(lambda length, wanted: length > wanted),
        "length_gte": _on_length(lambda length, wanted: length >= wanted),
        "length_lt": _on_length(lambda length, wanted: length < wanted),
        "length_lte": _on_length(lambda length, wanted: length <= wanted),
    },
    "object": _hollowness,
}


def misfits(conditions: Conditions, pointer: str = "") -> list[tuple[str, str, str]]:
    """Findings for a node's `check`: operators that a condition's type does not have."""
    return [
        (
            f"{pointer}/conditions/{place}/operator",
            "unknown_operator",
            f"The type {condition.type} has no operator {condition.operator}; "
            f"it has {', '.join(operators_of(condition.type))}.",
        )
        for place, condition in enumerate(conditions.conditions)
        if condition.operator not in operators_of(condition.type)
    ]

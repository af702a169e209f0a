"""What the steps behind a request want to know of its answer, and conditions on how it went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agent_service.authors.offline.reading import (
    Answer,
    Branch,
    Choice,
    Comparison,
    Condition,
    Constant,
    FieldOf,
    Http,
    Judgement,
    Keep,
    Outcome,
    SetFields,
    Step,
    Test,
    Unread,
    Value,
    walk,
)
from agent_service.authors.offline.scope import ERROR, STATUS_NAMES, Scope

FALLIBLE = frozenset({"http.request", "ai.chat", "code.javascript"})
"""Node types of which people say that they fail."""
_ERROR_STATUS = 400
_STATUS = FieldOf("status")
_PARTS_BY_NAME = {"headers", "body"}


@dataclass(frozen=True, slots=True)
class Interest:
    """What is wanted of a request's answer.

    Attributes:
        whole: Its status, its headers, or its body told apart from these.
        forgiving: An error status is an answer like any other.
        unanswered: That no answer came at all must be seen too.
    """

    whole: bool = False
    forgiving: bool = False
    unanswered: bool = False


def interest_in(behind: Sequence[Step]) -> Interest:
    """What the steps behind a request ask about its answer, up to the next request."""
    whole = forgiving = False
    for step in walk(list(behind)):
        if isinstance(step, Http):
            break
        judged = any(_is_verdict(test) for test in _tests(step))
        forgiving = forgiving or judged
        whole = whole or judged or any(_is_part(value) for value in _values(step))
    first = behind[0] if behind else None
    unanswered = isinstance(first, Branch) and _sees_silence(first.condition)
    return Interest(whole, forgiving, unanswered)


def _tests(step: Step) -> Sequence[Test]:
    return step.condition.tests if isinstance(step, Branch | Keep) else ()


def _is_verdict(test: Test) -> bool:
    match test:
        case Outcome():
            return True
        case Comparison():
            figures = test.type == "number" or test.operator.endswith("regex")
            return figures and _is_status(test.left)
        case _:
            return False


def _is_status(value: Value) -> bool:
    return isinstance(value, FieldOf) and value.path in ("status", *STATUS_NAMES)


def _values(step: Step) -> Iterator[Value]:
    """The fields that a step refers to."""
    for test in _tests(step):
        if isinstance(test, Comparison):
            yield test.left
    match step:
        case Answer(what=Mapping() as what):
            yield from what.values()
        case SetFields():
            yield from step.fields.values()
        case Choice():
            yield step.by
        case _:
            pass


def _is_part(value: Value) -> bool:
    if not isinstance(value, FieldOf):
        return False
    head = value.path.partition(".")[0]
    return head in _PARTS_BY_NAME or value.path in STATUS_NAMES


def _sees_silence(condition: Condition) -> bool:
    """Whether a request that nobody answers meets the condition, or denies it."""
    if len(condition.tests) > 1 and not condition.any_of:
        return False
    return any(
        isinstance(test, Outcome)
        or (
            isinstance(test, Comparison)
            and _is_status(test.left)
            and test.operator.startswith("not_") != condition.negated
        )
        for test in condition.tests
    )


def settled(condition: Condition, scope: Scope) -> Condition:
    """The condition with comparisons in place of every `Outcome`."""
    tests: list[Test] = []
    for test in condition.tests:
        tests.extend(_compared(test, scope) if isinstance(test, Outcome) else [test])
    silence = scope.response is not None and ERROR in scope.response.parts
    ill = any(isinstance(test, Outcome) and not test.well for test in condition.tests)
    if silence and ill:
        tests.append(Comparison(FieldOf(ERROR), "object", "exists"))
    several = len(tests) > len(condition.tests)
    return replace(condition, tests=tests, any_of=condition.any_of or several)


def _compared(test: Outcome, scope: Scope) -> list[Test]:
    if scope.response is not None:
        return [Comparison(_STATUS, "number", "lt" if test.well else "gte", _ERROR_STATUS)]
    if not test.state:
        return [Unread("it went well" if test.well else "it failed")]
    operator = "not_equals" if test.opposite else "equals"
    return [Comparison(_STATUS, "string", operator, test.state)]


_OPPOSITES = (
    ("equals", "not_equals"), ("gt", "lte"), ("lt", "gte"), ("contains", "not_contains"),
    ("starts_with", "not_starts_with"), ("ends_with", "not_ends_with"), ("regex", "not_regex"),
    ("empty", "not_empty"), ("true", "false"), ("exists", "not_exists"),
)  # fmt: skip
_DENIED = {**dict(_OPPOSITES), **{no: yes for yes, no in _OPPOSITES}}


def denied(condition: Condition, judged: str) -> Condition:
    """A negated condition with its comparisons turned round; `judged` is a model's yes or no."""
    if not condition.negated:
        return condition
    tests: list[Test] = []
    for test in condition.tests:
        if isinstance(test, Comparison):
            tests.append(replace(test, operator=_DENIED[test.operator]))
        elif isinstance(test, Judgement):
            tests.append(Comparison(Constant(judged), "boolean", "false"))
        else:
            tests.append(test)
    any_of = len(tests) > 1 and not condition.any_of
    return replace(condition, tests=tests, any_of=any_of, negated=False)


def unread(condition: Condition) -> bool:
    """Whether some of a condition was not understood."""
    return any(isinstance(test, Unread) for test in condition.tests)


def lone_outcome(condition: Condition) -> Outcome | None:
    """The outcome that a condition is about, if it is about nothing else."""
    test = condition.tests[0] if len(condition.tests) == 1 else None
    if not isinstance(test, Outcome):
        return None
    return replace(test, well=test.well != condition.negated)

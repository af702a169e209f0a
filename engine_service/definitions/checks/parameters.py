"""A node's parameters as its author wrote them, held against what its type declares.

Before a run a value that holds an expression has no known type: whatever Pydantic says about it,
or about a choice that it leaves open, is not said. Everything else is, with the place where it
stands in the document.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine_service.expressions import parse
from engine_service.sdk.node import NodeParameters, NodeType
from shared.workflow import JsonObject, pointer

Step = str | int
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with parameters; `pointer` begins below them.

    Attributes:
        missing: The name that is missing there, when that is what is wrong.
        unknown: The name that nobody knows there, when that is what is wrong.
    """

    pointer: str
    code: str
    message: str
    missing: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class _Error:
    """What Pydantic found: where in the document, and in which branches of which unions."""

    path: Path
    branches: tuple[tuple[Path, Step], ...]
    open: bool
    details: ErrorDetails


def has_expression(value: Any) -> bool:
    """Whether a value is a text that holds an expression."""
    return isinstance(value, str) and bool(parse(value).expressions)


def check(node_type: type[NodeType[Any]], parameters: JsonObject) -> list[Finding]:
    """What is wrong with parameters, expressions unfilled."""
    try:
        model = node_type.Parameters.model_validate(parameters)
    except ValidationError as error:
        errors = [_place(details, parameters) for details in error.errors(include_url=False)]
        return [_finding(found) for found in _certain(errors)]
    return list(_own_findings(node_type, parameters, model))


def _own_findings(
    node_type: type[NodeType[Any]], parameters: JsonObject, model: NodeParameters
) -> Iterator[Finding]:
    """What the node type itself finds, apart from values that are not known yet."""
    for place, code, message in node_type.check(model):
        if not has_expression(_value_at(parameters, place)):
            yield Finding(place, code, message)


def path_of(details: ErrorDetails, parameters: JsonObject) -> Path:
    """The place in a document of which Pydantic speaks."""
    return _place(details, parameters).path


def _place(details: ErrorDetails, parameters: JsonObject) -> _Error:
    """Follow Pydantic's location through the document; steps it has not are names of branches."""
    value: Any = parameters
    path: Path = ()
    branches: list[tuple[Path, Step]] = []
    absent = details["type"] == "missing"
    steps = details["loc"][:-1] if absent else details["loc"]
    for step in steps:
        inner = _child(value, step)
        if inner is _NOTHING:
            branches.append((path, step))
        else:
            value, path = inner, (*path, step)
    if absent:
        path = (*path, details["loc"][-1])
    return _Error(path, tuple(branches), not absent and _is_open(details, value), details)


def _is_open(details: ErrorDetails, value: Any) -> bool:
    """Whether an expression decides about this finding when the workflow runs."""
    if details["type"] == "extra_forbidden":
        return False
    if tag := _tag(details):
        return has_expression(_child(value, tag))
    if has_expression(value):
        return True
    return isinstance(value, dict) and any(map(has_expression, cast("JsonObject", value).values()))


def _tag(details: ErrorDetails) -> str:
    """The name of the field that chooses among models, when that is what is wrong."""
    if details["type"] not in ("union_tag_invalid", "union_tag_not_found"):
        return ""
    return str(details.get("ctx", {}).get("discriminator", "")).strip("'")


def _certain(errors: Sequence[_Error]) -> list[_Error]:
    """The errors that no expression can mend.

    A union is content with any of its branches, so one branch that only waits for expressions
    speaks for all.
    """
    waiting: defaultdict[tuple[Path, Step], bool] = defaultdict(lambda: True)
    for error in errors:
        for branch in error.branches:
            waiting[branch] &= error.open
    content = {place for (place, _), is_waiting in waiting.items() if is_waiting}
    return [
        error
        for error in errors
        if not error.open and not any(place in content for place, _ in error.branches)
    ]


def _finding(error: _Error) -> Finding:
    kind, name = error.details["type"], str(error.path[-1]) if error.path else ""
    place = pointer(error.path)
    tag = _tag(error.details)
    match kind:
        case "union_tag_not_found":
            message = f"The parameter {tag!r} is required."
            return Finding(place, "missing_parameter", message, missing=tag)
        case "union_tag_invalid":
            choices = error.details.get("ctx", {}).get("expected_tags", "")
            message = f"{tag!r} must be one of {choices}."
            return Finding(pointer((*error.path, tag)), "invalid_parameter", message)
        case "missing":
            return Finding(
                pointer(error.path[:-1]),
                "missing_parameter",
                f"The parameter {name!r} is required.",
                missing=name,
            )
        case "extra_forbidden":
            return Finding(
                place,
                "unknown_parameter",
                f"There is no parameter {name!r} here.",
                unknown=name,
            )
        case _:
            return Finding(place, "invalid_parameter", _sentence(error.details["msg"]))


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text if text.endswith((".", "!", "?")) else f"{text}."


_NOTHING = object()


def _child(value: Any, step: Step) -> Any:
    if isinstance(value, dict):
        return cast("JsonObject", value).get(str(step), _NOTHING)
    if isinstance(value, list) and isinstance(step, int):
        rows = cast("list[Any]", value)
        return rows[step] if step < len(rows) else _NOTHING
    return _NOTHING


def _value_at(document: JsonObject, place: str) -> Any:
    """The value a JSON Pointer leads to; None when it leads nowhere."""
    value: Any = document
    for token in place.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        value = _child(value, int(name) if isinstance(value, list) and name.isdecimal() else name)
    return None if value is _NOTHING else value

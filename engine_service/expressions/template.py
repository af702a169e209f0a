r"""A parameter's text: literal parts and `{{ expressions }}`.

An expression ends at the first `}}` after which it is a whole expression, so `{{ {a: {b: 1}} }}`
and `{{ "}}" }}` mean what they say. `\{{` is a literal `{{`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from engine_service.expressions.facts import Facts
from engine_service.expressions.failure import SYNTAX, ExpressionError
from engine_service.expressions.javascript import write_expression
from engine_service.expressions.paths import Path, find_path
from engine_service.expressions.scope import Json
from engine_service.expressions.syntax import parse_expression
from shared.workflow import pointer

OPEN, CLOSE = "{{", "}}"
_MAX_CLOSINGS = 8
_CACHED = 4_096


@dataclass(frozen=True, slots=True)
class Expression:
    """One `{{ … }}`, ready to be evaluated.

    Attributes:
        source: What stands between the braces.
        path: Set when it is a plain path, which needs no V8.
        javascript: The body of the function that computes it.
        facts: What it touches.
        problem: Why it cannot be evaluated, if so.
    """

    source: str
    path: Path | None
    javascript: str
    facts: Facts
    problem: ExpressionError | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A text in parts. A single expression keeps its value's type; among text it becomes text."""

    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Expression))


def parse(text: str) -> Template:
    """Read a text. Never fails: an expression that cannot be read carries its `problem`."""
    return _parse(text) if OPEN in text else Template((text,))


@lru_cache(maxsize=_CACHED)
def _parse(text: str) -> Template:
    return Template(tuple(_parts(text)))


@lru_cache(maxsize=_CACHED)
def expression(source: str) -> Expression:
    """Read what stands between the braces."""
    try:
        parsed = parse_expression(source)
        javascript, facts = write_expression(parsed, source)
    except ExpressionError as error:
        return Expression(source, None, "", Facts(), error)
    return Expression(source, find_path(parsed), javascript, facts)


def find_expressions(parameters: Json) -> list[tuple[str, str]]:
    """Every expression in the parameters: the JSON Pointer of its text, and its source."""
    return [
        (at, found.source) for at, text in texts(parameters) for found in parse(text).expressions
    ]


def texts(parameters: Json) -> Iterator[tuple[str, str]]:
    """Every text that holds an expression, with its JSON Pointer, in reading order."""
    waiting: list[tuple[tuple[str | int, ...], Json]] = [((), parameters)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, str):
            if OPEN in value:
                yield pointer(at), value
        elif isinstance(value, dict):
            entries = cast("dict[str, Json]", value).items()
            waiting.extend(((*at, key), inner) for key, inner in reversed(entries))
        elif isinstance(value, Sequence):
            inner_values = list(enumerate(cast("Sequence[Json]", value)))
            waiting.extend(((*at, index), inner) for index, inner in reversed(inner_values))


def references(source: str) -> set[str]:
    """The names of nodes that an expression mentions."""
    return set(expression(source).facts.nodes)


def json_paths(source: str) -> set[tuple[str, ...]]:
    """The paths below `$json` that an expression reads, as far as they are written out."""
    return {path for path in expression(source).facts.json_paths if path}


def _parts(text: str) -> Iterator[str | Expression]:
    literal, at = "", 0
    while (start := text.find(OPEN, at)) >= 0:
        literal += text[at:start]
        if literal.endswith("\\"):
            literal, at = literal[:-1] + OPEN, start + len(OPEN)
            continue
        found, at = _read_expression(text, start + len(OPEN))
        if literal:
            yield literal
        literal = ""
        yield found
    if literal + text[at:]:
        yield literal + text[at:]


def _read_expression(text: str, start: int) -> tuple[Expression, int]:
    """The expression that begins at `start`, and where the text goes on."""
    first: tuple[Expression, int] | None = None
    end = text.find(CLOSE, start)
    for _ in range(_MAX_CLOSINGS):
        if end < 0:
            break
        found = expression(text[start:end].strip())
        if found.problem is None or found.problem.code != SYNTAX:
            return found, end + len(CLOSE)
        first = first or (found, end + len(CLOSE))
        end = text.find(CLOSE, end + 1)
    return first or (_unclosed(text[start:]), len(text))


def _unclosed(source: str) -> Expression:
    problem = ExpressionError(
        "The expression is not closed: }} is missing",
        code=SYNTAX,
        expression=source,
        position=len(source),
    )
    return Expression(source, None, "", Facts(), problem)

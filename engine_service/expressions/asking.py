"""What a node's parameters ask a model for: `$fromAI('city', 'Where to look', 'string')`.

A node that serves as a tool has its author's parameters, and in them the places that a model fills.
They are read from the source, so the name, the description and the type must be written out.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from tree_sitter import Node

from engine_service.expressions.failure import ExpressionError
from engine_service.expressions.scope import Json
from engine_service.expressions.syntax import Parsed, literal_text, parse_expression, parse_program
from engine_service.expressions.template import parse
from engine_service.sdk.model_argument import ModelArgument

_FUNCTIONS = ("$fromAI", "$fromAi", "$fromai")
_TYPES = {"string", "number", "integer", "boolean", "object", "array"}
_SPELT = {
    "json": "object",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "date": "string",
}


def arguments_of(parameters: Json) -> Sequence[ModelArgument]:
    """What parameters ask for, by name in order; the first that asks for a name describes it."""
    found: dict[str, ModelArgument] = {}
    for text in filter(_asks, _texts(parameters)):
        for parsed in _sources(text):
            for argument in _calls(parsed):
                found.setdefault(argument.name, argument)
    return list(found.values())


def _texts(value: Json) -> Iterator[str]:
    """Every text in parameters, in reading order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Json]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[Json]", value):
            yield from _texts(inner)


def _asks(text: str) -> bool:
    return any(name in text for name in _FUNCTIONS)


def _sources(text: str) -> Iterator[Parsed]:
    """The expressions of a text; or all of it, where it is a program."""
    expressions = parse(text).expressions
    for expression in expressions:
        try:
            yield parse_expression(expression.source)
        except ExpressionError:
            continue  # said when the definition is checked
    if not expressions:
        yield parse_program(text)


def _calls(parsed: Parsed) -> Iterator[ModelArgument]:
    waiting = [parsed.root]
    while waiting:
        node = waiting.pop()
        waiting.extend(reversed(node.named_children))
        callee = node.child_by_field_name("function") if node.type == "call_expression" else None
        if callee is None or parsed.text(callee) not in _FUNCTIONS:
            continue
        given = node.child_by_field_name("arguments")
        values = [one for one in given.named_children if one.type != "comment"] if given else []
        name = literal_text(values[0], parsed) if values else None
        if name:
            yield _argument(name, values, parsed)


def _argument(name: str, values: Sequence[Node], parsed: Parsed) -> ModelArgument:
    description = literal_text(values[1], parsed) if len(values) > 1 else None
    kind = (literal_text(values[2], parsed) if len(values) > 2 else None) or "string"
    kind = _SPELT.get(kind.lower(), kind.lower())
    return ModelArgument(
        name, description or "", kind if kind in _TYPES else "", has_default=len(values) > 3
    )

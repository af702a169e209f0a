"""Of what kind an expression's value is, as far as that shows in its source.

A guess is certain where JavaScript leaves no choice: a literal, a comparison, a template. What a
method gives is a guess all the same, since an object may bring its own of that name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tree_sitter import Node

from engine_service.expressions.failure import ExpressionError
from engine_service.expressions.syntax import Parsed, parse_expression
from engine_service.sdk.shape import Kind


@dataclass(frozen=True, slots=True)
class Guess:
    """The kind of a value."""

    kind: Kind
    certain: bool = True


def _words(kind: Kind, text: str) -> dict[str, Kind]:
    return dict.fromkeys(text.split(), kind)


_GIVEN_BY: Mapping[str, Kind] = {
    **_words(
        "string",
        """toString toUpperCase toLowerCase trim trimStart trimEnd replace replaceAll substring
        padStart padEnd join toFixed toISOString toISO toISODate toFormat format base64Encode
        base64Decode hash toJsonString urlEncode urlDecode toTitleCase toSnakeCase toSentenceCase
        removeTags removeMarkdown quote replaceSpecialChars charAt repeat toLocaleString
        stringify""",
    ),
    **_words(
        "number",
        """toNumber toInt toFloat round floor ceil abs indexOf lastIndexOf getTime toMillis average
        sum""",
    ),
    **_words(
        "boolean",
        """includes startsWith endsWith isEmpty isNotEmpty isEmail isUrl isNumeric isDomain every
        some hasField test toBoolean isBetween isWeekend isEven isOdd isInteger""",
    ),
    **_words(
        "array",
        "split map filter keys values chunk unique flat flatMap pluck union difference entries all",
    ),
}  # fmt: skip
_FUNCTIONS: Mapping[str, Kind] = {
    "String": "string", "Number": "number", "Boolean": "boolean", "parseInt": "number",
    "parseFloat": "number", "encodeURIComponent": "string", "decodeURIComponent": "string",
    "$min": "number", "$max": "number", "$average": "number", "$not": "boolean",
}  # fmt: skip
_NAMES: Mapping[str, Kind] = {
    "$now": "string", "$today": "string", "$itemIndex": "number", "$runIndex": "number",
    "$items": "array", "$json": "object", "$vars": "object", "$workflow": "object",
}  # fmt: skip
_LITERALS: Mapping[str, Kind] = {
    "string": "string", "template_string": "string", "number": "number", "true": "boolean",
    "false": "boolean", "object": "object", "array": "array",
}  # fmt: skip
_COMPARING = frozenset(["===", "==", "!==", "!=", "<", ">", "<=", ">=", "in", "instanceof"])
_COUNTING = frozenset(["-", "*", "/", "%", "**", "|", "&", "^", "<<", ">>", ">>>"])
_UNARY: Mapping[str, Kind] = {"!": "boolean", "-": "number", "~": "number", "typeof": "string"}
_DEEPEST = 20


def guess(source: str) -> Guess | None:
    """The kind of the value; None when nothing is known of it."""
    try:
        parsed = parse_expression(source)
    except ExpressionError:
        return None
    inside = parsed.expression.named_children if parsed.expression is not None else []
    values = [node for node in inside if node.type != "comment"]
    return _of(values[0], parsed, _DEEPEST) if len(values) == 1 else None


def _of(node: Node | None, parsed: Parsed, depth: int) -> Guess | None:
    if node is None or depth == 0:
        return None
    if node.type in _LITERALS:
        return Guess(_LITERALS[node.type])
    if node.type == "identifier":
        return _guess(_NAMES.get(parsed.text(node)))
    reader = _READERS.get(node.type)
    return reader(node, parsed, depth - 1) if reader is not None else None


def _parenthesis(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    return _of(node.named_children[0], parsed, depth) if len(node.named_children) == 1 else None


def _binary(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    operator = node.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if sign in _COMPARING:
        return Guess("boolean")
    if sign in _COUNTING:
        return Guess("number")
    left, right = (_of(node.child_by_field_name(at), parsed, depth) for at in ("left", "right"))
    if sign == "+":
        texts = [side for side in (left, right) if side is not None and side.kind == "string"]
        if texts:
            return Guess("string", any(side.certain for side in texts))
        numbers = left is not None and right is not None and left.kind == right.kind == "number"
        return left if numbers else None
    return _either(left, right)


def _either(one: Guess | None, other: Guess | None) -> Guess | None:
    if one is None or other is None or one.kind != other.kind:
        return None
    return Guess(one.kind, one.certain and other.certain)


def _unary(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    del parsed, depth
    operator = node.child_by_field_name("operator")
    kind = _UNARY.get(operator.type) if operator is not None else None
    return None if kind is None else Guess(kind)


def _ternary(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    sides = (node.child_by_field_name(at) for at in ("consequence", "alternative"))
    return _either(*(_of(side, parsed, depth) for side in sides))


def _member(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    del depth
    name = node.child_by_field_name("property")
    is_length = name is not None and parsed.text(name) == "length"
    return Guess("number", certain=False) if is_length else None


def _call(node: Node, parsed: Parsed, depth: int) -> Guess | None:
    function, given = (node.child_by_field_name(at) for at in ("function", "arguments"))
    if function is None:
        return None
    if function.type == "identifier":
        name = parsed.text(function)
        values = given.named_children if given is not None else []
        if name == "$if" and len(values) == 3:
            return _either(_of(values[1], parsed, depth), _of(values[2], parsed, depth))
        return _guess(_FUNCTIONS.get(name))
    name = function.child_by_field_name("property")
    return _guess(_GIVEN_BY.get(parsed.text(name))) if name is not None else None


def _guess(kind: Kind | None) -> Guess | None:
    return None if kind is None else Guess(kind, certain=False)


_Reader = Callable[[Node, Parsed, int], Guess | None]
_READERS: Mapping[str, _Reader] = {
    "parenthesized_expression": _parenthesis,
    "binary_expression": _binary,
    "unary_expression": _unary,
    "ternary_expression": _ternary,
    "member_expression": _member,
    "call_expression": _call,
}

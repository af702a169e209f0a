"""JavaScript source to syntax tree, with errors a person can place.

tree-sitter reads the text; it decides what is allowed and how it is rewritten, never what is safe:
safety is the frozen realm and the worker process behind it (docs/adr/0006).
"""

from dataclasses import dataclass
from typing import Final

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from engine_service.expressions.failure import SYNTAX, ExpressionError

MAX_SOURCE = 20_000
_LANGUAGE: Final = Language(tree_sitter_javascript.language())
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_BINDERS = {
    "variable_declarator": "name",
    "function_declaration": "name",
    "function_expression": "name",
    "generator_function": "name",
    "generator_function_declaration": "name",
    "class_declaration": "name",
    "class": "name",
    "arrow_function": "parameter",
    "catch_clause": "parameter",
    "for_in_statement": "left",
}
_PATTERNS = frozenset(
    {
        "formal_parameters",
        "object_pattern",
        "array_pattern",
        "rest_pattern",
        "assignment_pattern",
        "object_assignment_pattern",
        "pair_pattern",
    }
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A source that has a tree.

    Attributes:
        data: The bytes the tree's offsets point into; `shift` bytes stand before the source.
        expression: The one expression that the source is; None when it is several statements.
        root: The whole program.
    """

    data: bytes
    shift: int
    expression: Node | None
    root: Node

    def text(self, node: Node) -> str:
        """The source of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass")

    def position(self, node: Node) -> int:
        """Where a node begins, in characters of the source."""
        return _characters(self.data[self.shift : max(node.start_byte, self.shift)])


def parse_expression(source: str) -> Parsed:
    """Read what stands between the braces.

    Raises:
        ExpressionError: It is too long or malformed; with the position of the first trouble.
    """
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"The expression is longer than {MAX_SOURCE} characters", code=SYNTAX, expression=source
        )
    data = source.encode("utf-8", "surrogatepass")
    wrapped = b"(" + data + b"\n)"
    root = _parse(wrapped)
    expression = _whole_parenthesis(root, len(wrapped))
    if expression is not None and not root.has_error:
        return Parsed(wrapped, 1, expression, root)
    program = _parse(data)
    if not program.has_error and program.named_child_count > 0:
        return Parsed(data, 0, None, program)
    raise _trouble(Parsed(wrapped, 1, None, root), source)


def parse_program(source: str) -> Parsed:
    """Read a function body. Trouble in it is left for V8 to report."""
    data = source.encode("utf-8", "surrogatepass")
    return Parsed(data, 0, None, _parse(data))


def line_of_trouble(source: str) -> int | None:
    """The line on which reading a program first failed; None if it did not."""
    node = _first_trouble(parse_program(source).root)
    return None if node is None else node.start_point.row + 1


def literal_text(node: Node | None, parsed: Parsed) -> str | None:
    """The value of a string literal, or None when the node is something else."""
    if node is None or node.type not in ("string", "template_string"):
        return None
    pieces: list[str] = []
    for child in node.named_children:
        text = parsed.text(child)
        if child.type == "string_fragment":
            pieces.append(text)
        elif child.type == "escape_sequence" and len(text) == 2 and text[1] not in "xu123456789":
            pieces.append(_ESCAPES.get(text[1], text[1]))
        else:
            return None
    return "".join(pieces)


def is_optional(node: Node) -> bool:
    """Whether an access or a call is written with `?.`."""
    return node.child_by_field_name("optional_chain") is not None


def declared_names(parsed: Parsed) -> set[str]:
    """Every name that the source itself declares, anywhere."""
    names: set[str] = set()
    waiting = [parsed.root]
    while waiting:
        node = waiting.pop()
        binding = _BINDERS.get(node.type)
        if binding is not None:
            _collect(node.child_by_field_name(binding), parsed, names)
        if node.type == "formal_parameters":
            _collect(node, parsed, names)
        waiting.extend(node.named_children)
    return names


def _collect(pattern: Node | None, parsed: Parsed, names: set[str]) -> None:
    waiting = [pattern]
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if node.type in ("identifier", "shorthand_property_identifier_pattern"):
            names.add(parsed.text(node))
        elif node.type in _PATTERNS:
            left, value = node.child_by_field_name("left"), node.child_by_field_name("value")
            waiting.extend(node.named_children if left is value else [left, value])


def _parse(data: bytes) -> Node:
    return Parser(_LANGUAGE).parse(data).root_node


def _whole_parenthesis(root: Node, end: int) -> Node | None:
    statements = [node for node in root.named_children if node.type != "comment"]
    if len(statements) != 1 or statements[0].type != "expression_statement":
        return None
    inner = statements[0].named_children[0]
    is_whole = inner.type == "parenthesized_expression" and inner.end_byte == end
    return inner if is_whole else None


def _trouble(parsed: Parsed, source: str) -> ExpressionError:
    node = _first_trouble(parsed.root)
    position = min(parsed.position(node), len(source)) if node is not None else 0
    message = f"Unexpected {source[position:].strip()[:20]!r}"
    if not source.strip():
        message = "The expression is empty"
    elif (opening := _unclosed(parsed)) is not None:
        position = parsed.position(opening)
        message = f"{parsed.text(opening)!r} is not closed"
    elif not source[position:].strip():
        message = "The expression ends too early"
    return ExpressionError(message, code=SYNTAX, expression=source, position=position)


def _first_trouble(root: Node) -> Node | None:
    """The innermost node at which reading first failed."""
    found: Node | None = None
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        if node.is_error or node.is_missing:
            found = node
            waiting = []
        waiting.extend(child for child in node.children if child.has_error or child.is_missing)
    return found


def _unclosed(parsed: Parsed) -> Node | None:
    """The first bracket of the source that nothing closes."""
    openings: list[Node] = []
    waiting = [parsed.root]
    while waiting:
        node = waiting.pop()
        waiting.extend(reversed(node.children))
        outside = not parsed.shift <= node.start_byte < len(parsed.data) - parsed.shift
        if outside or node.is_missing:
            continue
        if node.type in _BRACKETS:
            openings.append(node)
        elif openings and node.type == _BRACKETS[openings[-1].type]:
            openings.pop()
    return openings[0] if openings else None


def _characters(data: bytes) -> int:
    return len(data.decode("utf-8", "surrogatepass"))

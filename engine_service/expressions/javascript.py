"""An expression's source, checked and rewritten into the body of a JavaScript function.

What comes out reads like what came in, but: the names it uses are taken from the scope, calls of
helper methods go through their symbols, computed keys through a check, `this` is empty, and what
no expression needs is refused. The work is one walk over the tree that collects edits; nothing is
nested, so no source is too deep for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tree_sitter import Node

from engine_service.expressions.facts import Facts
from engine_service.expressions.failure import FORBIDDEN, ExpressionError
from engine_service.expressions.names import (
    CODE_NAMES,
    FORBIDDEN_KEYS,
    GLOBAL_NAMES,
    INERT_NAMES,
    METHODS,
    SCOPE_NAMES,
)
from engine_service.expressions.paths import json_path
from engine_service.expressions.syntax import (
    Parsed,
    declared_names,
    is_optional,
    literal_text,
    parse_program,
)

_NO_WAITING = "An expression cannot wait: `await` and `async` are not available"
_REFUSED = {
    "with_statement": "`with` cannot be used in an expression",
    "await_expression": _NO_WAITING,
    "async": _NO_WAITING,
    "import": "An expression cannot import anything",
    "import_statement": "An expression cannot import anything",
    "export_statement": "An expression cannot export anything",
    "debugger_statement": "`debugger` cannot be used in an expression",
}
_REFUSED_NAMES = {
    "$secrets": "Secrets cannot be read; give the node a credential instead",
    "extend": "`extend` cannot be used in an expression",
    "extendOptional": "`extendOptional` cannot be used in an expression",
}
_CHAIN = ("member_expression", "subscript_expression")
_Handler = Callable[[Node, Node | None], None]


def write_expression(parsed: Parsed, source: str) -> tuple[str, Facts]:
    """The function body that computes the expression, and what it touches.

    Raises:
        ExpressionError: It uses something that an expression may not.
    """
    writer = _ExpressionWriter(parsed, source)
    if parsed.expression is not None:
        body = f"return {writer.write(parsed.root)};"
    else:
        body = f"{{{writer.write(parsed.root, returns=_value_of(parsed.root))}\n}}"
    return _bind(writer.facts.names) + body, writer.facts


def write_code(source: str) -> tuple[str, Facts]:
    """The body of an async function that runs a program: only helper calls are rewritten.

    The author's first line stays the first line, so that errors can name lines.
    """
    writer = _CodeWriter(parse_program(source), source)
    body = writer.write(writer.parsed.root)
    return f"{_bind(writer.facts.names)}return await (async () => {{{body}\n}})();", writer.facts


def _bind(names: set[str]) -> str:
    return f"const {{{', '.join(sorted(names))}}} = __s; " if names else ""


def _value_of(program: Node) -> Node | None:
    """The last statement, if it is an expression: its value is that of the whole."""
    last = [node for node in program.named_children if node.type != "comment"][-1]
    return last if last.type == "expression_statement" else None


@dataclass(frozen=True, slots=True, order=True)
class _Edit:
    """Replace the bytes from `start` to `end`.

    At one place closings come first, inner ones before outer ones, then openings and replacements,
    outer ones before inner ones.
    """

    start: int
    opens: bool
    sequence: int
    end: int
    text: str


class _Writer:
    """Walks a tree from outside in; handlers note facts and edits."""

    scope_names = SCOPE_NAMES

    def __init__(self, parsed: Parsed, source: str) -> None:
        self.parsed = parsed
        self.source = source
        self.facts = Facts()
        self._edits: list[_Edit] = []
        self._handlers: dict[str, _Handler] = {
            "call_expression": self._call,
            "member_expression": self._chain,
            "subscript_expression": self._chain,
            "property_identifier": self._property_name,
        }

    def write(self, root: Node, returns: Node | None = None) -> str:
        """The whole text, edited; `returns` becomes a return statement."""
        if returns is not None:
            self._replace(returns.start_byte, returns.start_byte, "return ")
        waiting: list[tuple[Node, Node | None]] = [(root, None)]
        while waiting:
            node, parent = waiting.pop()
            handler = self._handlers.get(node.type)
            if handler is not None:
                handler(node, parent)
            waiting.extend((child, node) for child in reversed(node.children))
        return self._apply()

    def refuse(self, node: Node, message: str) -> ExpressionError:
        return ExpressionError(
            message, code=FORBIDDEN, expression=self.source, position=self.parsed.position(node)
        )

    def _apply(self) -> str:
        data, at, pieces = self.parsed.data, 0, list[bytes]()
        for edit in sorted(self._edits):
            pieces += (data[at : edit.start], edit.text.encode("utf-8", "surrogatepass"))
            at = edit.end
        pieces.append(data[at:])
        return b"".join(pieces).decode("utf-8", "surrogatepass")

    def _replace(self, start: int, end: int, text: str) -> None:
        self._edits.append(_Edit(start, True, len(self._edits), end, text))

    def _wrap(self, node: Node, opening: str, closing: str) -> None:
        self._replace(node.start_byte, node.start_byte, opening)
        self._edits.append(_Edit(node.end_byte, False, -len(self._edits), node.end_byte, closing))

    def _call(self, node: Node, parent: Node | None) -> None:
        del parent
        function = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        if function.type == "identifier":
            self._call_by_name(function, arguments)
        elif function.type == "member_expression":
            self._call_of_helper(function)

    def _call_by_name(self, function: Node, arguments: Node) -> None:
        name = self.parsed.text(function)
        given = arguments.named_children
        if name == "$items":
            self._replace(function.start_byte, function.end_byte, "__s.itemsOf")
        if name == "$items" and not given:
            self.facts.names.add(name)
        elif name in ("$", "$items", "$getPairedItem"):
            self._note_node(literal_text(given[0], self.parsed) if given else "")

    def _call_of_helper(self, function: Node) -> None:
        """`value.pluck(…)` becomes `value[__x.pluck](…)`."""
        base = function.child_by_field_name("object")
        name = function.child_by_field_name("property")
        if base is None or name is None or base.type == "super":
            return
        method = self.parsed.text(name)
        if method not in METHODS:
            return
        optional = is_optional(function)
        if method in ("isEmpty", "isNotEmpty") and not optional:
            self._wrap(base, "__n(", ")")
        self._replace(base.end_byte, name.end_byte, f"{'?.' if optional else ''}[__x.{method}]")

    def _chain(self, node: Node, parent: Node | None) -> None:
        """Remember the longest chain on `$json`, and nodes named by `$node`."""
        base = node.child_by_field_name("object")
        if base is not None and base.type == "identifier" and self.parsed.text(base) == "$node":
            name = node.child_by_field_name("property")
            index = node.child_by_field_name("index")
            self._note_node(
                self.parsed.text(name) if name is not None else literal_text(index, self.parsed)
            )
        if parent is not None and parent.type in _CHAIN:
            return
        path = json_path(node, self.parsed)
        called = parent is not None and parent.type == "call_expression"
        if path:
            self.facts.json_paths.add(path[:-1] if called else path)

    def _property_name(self, node: Node, parent: Node | None) -> None:
        del parent
        self.facts.note_property(self.parsed.text(node))

    def _note_node(self, name: str | None) -> None:
        if name is None:
            self.facts.dynamic_nodes = True
        elif name:
            self.facts.nodes.add(name)


class _CodeWriter(_Writer):
    """For programs: the isolate is the author's alone, so nothing is refused."""

    scope_names = CODE_NAMES

    def __init__(self, parsed: Parsed, source: str) -> None:
        super().__init__(parsed, source)
        self._handlers["identifier"] = self._identifier

    def _identifier(self, node: Node, parent: Node | None) -> None:
        del parent
        name = self.parsed.text(node)
        if name in self.scope_names:
            self.facts.names.add(name)


class _ExpressionWriter(_Writer):
    """For expressions: names are resolved, keys guarded, and much is refused."""

    def __init__(self, parsed: Parsed, source: str) -> None:
        super().__init__(parsed, source)
        self._declared = declared_names(parsed)
        self._handlers |= {
            "identifier": self._identifier,
            "shorthand_property_identifier": self._shorthand,
            "shorthand_property_identifier_pattern": self._pattern_name,
            "computed_property_name": self._computed_name,
            "subscript_expression": self._subscript,
            "this": lambda node, _: self._wrap(node, "__t(", ")"),
            "unary_expression": self._unary,
            "spread_element": self._spread,
            "assignment_expression": self._assignment,
            "augmented_assignment_expression": self._assignment,
            "update_expression": self._assignment,
            "pair": self._pair,
            "pair_pattern": self._pair,
        }
        self._handlers |= dict.fromkeys(_REFUSED, self._refused)

    def _refused(self, node: Node, parent: Node | None) -> None:
        del parent
        raise self.refuse(node, _REFUSED[node.type])

    def _check_name(self, node: Node, name: str) -> None:
        if name in FORBIDDEN_KEYS or name.startswith("__") or "\\" in name:
            raise self.refuse(node, f'"{name}" cannot be used in an expression')
        if name in _REFUSED_NAMES and name not in self._declared:
            raise self.refuse(node, _REFUSED_NAMES[name])

    def _check_key(self, node: Node, name: str) -> None:
        if name in FORBIDDEN_KEYS or "\\" in name:
            raise self.refuse(node, f'"{name}" cannot be accessed in an expression')
        self.facts.note_property(name)

    def _identifier(self, node: Node, parent: Node | None) -> None:
        name = self.parsed.text(node)
        self._check_name(node, name)
        called = parent is not None and parent.type == "call_expression"
        if name in ("$items", "$item") and called:
            return
        if name == "$" and not called:
            raise self.refuse(node, "`$` must be called with the name of a node: $('Name')")
        if name == "$node" and (parent is None or parent.type not in _CHAIN):
            self.facts.dynamic_nodes = True
        resolved = self._resolve(name)
        if resolved != name:
            self._replace(node.start_byte, node.end_byte, resolved)

    def _resolve(self, name: str) -> str:
        if name in self.scope_names:
            self.facts.names.add(name)
            return name
        if name in GLOBAL_NAMES or name in self._declared:
            return name
        if name in INERT_NAMES:
            return "__s.process" if name == "process" else "__s.inert"
        self.facts.unknown.add(name)
        return f'__s.extra("{name}")'

    def _shorthand(self, node: Node, parent: Node | None) -> None:
        del parent
        name = self.parsed.text(node)
        self._check_name(node, name)
        resolved = self._resolve(name)
        if resolved != name:
            self._replace(node.start_byte, node.end_byte, f"{name}: {resolved}")

    def _pattern_name(self, node: Node, parent: Node | None) -> None:
        del parent
        self._check_name(node, self.parsed.text(node))

    def _property_name(self, node: Node, parent: Node | None) -> None:
        name = self.parsed.text(node)
        is_method = parent is not None and parent.type == "method_definition"
        if not (is_method and name == "constructor"):
            self._check_key(node, name)

    def _computed_name(self, node: Node, parent: Node | None) -> None:
        del parent
        for inner in node.named_children[:1]:
            self._wrap(inner, "__k((", "))")

    def _subscript(self, node: Node, parent: Node | None) -> None:
        self._chain(node, parent)
        index = node.child_by_field_name("index")
        if index is None or index.type == "number":
            return
        name = literal_text(index, self.parsed)
        if name is None:
            self._wrap(index, "__k((", "))")
        else:
            self._check_key(index, name)

    def _pair(self, node: Node, parent: Node | None) -> None:
        del parent
        key = node.child_by_field_name("key")
        name = literal_text(key, self.parsed)
        if key is not None and name is not None:
            self._check_key(key, name)

    def _call_by_name(self, function: Node, arguments: Node) -> None:
        super()._call_by_name(function, arguments)
        name = self.parsed.text(function)
        if name == "$item":
            self._replace(function.start_byte, function.end_byte, "__s.itemAt")
        elif name == "$if":
            self._choose(function, arguments)

    def _choose(self, function: Node, arguments: Node) -> None:
        """`$if(a, b, c)` becomes `(a ? b : c)`, so that only what is chosen is computed."""
        given = [node for node in arguments.named_children if node.type != "comment"]
        commas = [node for node in arguments.children if node.type == ","]
        if len(given) < 2 and not any(node.type == "spread_element" for node in given):
            raise self.refuse(function, "`$if` needs a condition and a value")
        if len(given) > 3 or len(commas) != len(given) - 1:
            return
        if any(node.type == "spread_element" for node in given):
            return
        self._replace(function.start_byte, function.end_byte, "")
        for node in given:
            self._wrap(node, "(", ")")
        for comma, sign in zip(commas, "?:", strict=False):
            self._replace(comma.start_byte, comma.end_byte, f" {sign} ")
        if len(given) == 2:
            end = given[-1].end_byte
            self._edits.append(_Edit(end, False, 0, end, " : false"))

    def _spread(self, node: Node, parent: Node | None) -> None:
        """What a host's name gives is empty: mixed into other data, it would hide that."""
        inner = node.named_children[0] if node.named_children else None
        if inner is None or inner.type != "identifier" or parent is None:
            return
        name = self.parsed.text(inner)
        hosts = name in INERT_NAMES and name not in self._declared
        if hosts and parent.named_child_count > 1:
            raise self.refuse(node, f'"{name}" cannot be spread in an expression')

    def _unary(self, node: Node, parent: Node | None) -> None:
        del parent
        operator = node.child_by_field_name("operator")
        if operator is not None and operator.type == "delete":
            self.facts.changes_data = True

    def _assignment(self, node: Node, parent: Node | None) -> None:
        del parent
        sides = (node.child_by_field_name("left"), node.child_by_field_name("argument"))
        if any(side is not None and side.type != "identifier" for side in sides):
            self.facts.changes_data = True

"""The fast path: plain paths such as `$json.a.b[0]`, read in Python without V8.

Four expressions in five are one. What is read here must be what V8 would give: the property tests
compare both. To read through nothing gives nothing (None), as it does there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import cast

from tree_sitter import Node

from engine_service.expressions.failure import NO_INPUT_ITEM, NO_PAIRED_ITEM, ExpressionError
from engine_service.expressions.names import FORBIDDEN_KEYS, NATIVE_METHODS
from engine_service.expressions.scope import Json, Scope
from engine_service.expressions.syntax import Parsed, literal_text
from shared.workflow import Item


class Root(Enum):
    """Where a path begins."""

    JSON = auto()
    BINARY = auto()
    INDEX = auto()
    VARIABLES = auto()
    ENV = auto()
    RUN = auto()
    WORKFLOW = auto()
    INPUT_ITEM = auto()
    INPUT_FIRST = auto()
    INPUT_LAST = auto()
    INPUT_ALL = auto()
    NODE_ITEM = auto()
    NODE_FIRST = auto()
    NODE_LAST = auto()
    NODE_ALL = auto()
    NODE_VIEW = auto()


OF_ITEMS = frozenset({
    Root.JSON, Root.BINARY, Root.INDEX,
    Root.INPUT_ITEM, Root.INPUT_FIRST, Root.INPUT_LAST, Root.INPUT_ALL,
})  # fmt: skip
"""Where paths begin that need nothing but the node's items."""
_NAMES = {
    "$json": Root.JSON,
    "$data": Root.JSON,
    "$binary": Root.BINARY,
    "$itemIndex": Root.INDEX,
    "$vars": Root.VARIABLES,
    "$env": Root.ENV,
    "$run": Root.RUN,
    "$execution": Root.RUN,
    "$workflow": Root.WORKFLOW,
}
_INPUT = {
    ("item", False): Root.INPUT_ITEM,
    ("first", True): Root.INPUT_FIRST,
    ("last", True): Root.INPUT_LAST,
    ("all", True): Root.INPUT_ALL,
}
_NODE = {
    ("item", False): Root.NODE_ITEM,
    ("first", True): Root.NODE_FIRST,
    ("last", True): Root.NODE_LAST,
    ("all", True): Root.NODE_ALL,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One step: the property's name, and its number if it names an element."""

    name: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Path:
    """A root and the steps from it; `node` names the node of `$('…')` and `$node['…']`."""

    root: Root
    node: str
    keys: tuple[Key, ...]

    def read(self, scope: Scope, index: int) -> Json:
        """The value for the item at `index`.

        Raises:
            ExpressionError: There is no such item, or its node has not run.
        """
        value = self._begin(scope, index)
        for key in self.keys:
            value = _step(value, key)
            if value is None:
                return None
        return value

    def leads(self, scope: Scope, index: int) -> bool:
        """Whether it leads to a value, be it null."""
        if not self.keys:
            return True
        *before, last = self.keys
        holder = Path(self.root, self.node, tuple(before)).read(scope, index)
        if isinstance(holder, Mapping):
            return last.name in cast("Mapping[str, Json]", holder)
        # Of what else there is, only a list can hold null.
        length = len(cast("list[Json]", holder)) if isinstance(holder, list) else 0
        return last.number is not None and last.number < length

    def column(self, scope: Scope, indexes: Sequence[int]) -> list[Json | ExpressionError]:
        """The values for several items; an `ExpressionError` where there is none."""
        if self.root is Root.JSON and len(self.keys) == 1:
            name = self.keys[0].name
            try:
                found = [scope.items[index]["json"] for index in indexes]
            except (IndexError, KeyError):
                found = []
            if found and all(type(fields) is dict for fields in found):
                return [fields.get(name) for fields in found]
        return [self._read_or_say(scope, index) for index in indexes]

    def _read_or_say(self, scope: Scope, index: int) -> Json | ExpressionError:
        try:
            return self.read(scope, index)
        except ExpressionError as error:
            return error

    def _begin(self, scope: Scope, index: int) -> Json:
        match self.root:
            case Root.JSON:
                return _input_item(scope, index).get("json")
            case Root.BINARY:
                return _input_item(scope, index).get("binary") or {}
            case Root.INDEX:
                return index
            case Root.VARIABLES:
                return scope.variables
            case Root.ENV:
                return scope.env
            case Root.RUN:
                return scope.run
            case Root.WORKFLOW:
                return scope.workflow
            case Root.INPUT_ITEM:
                return _input_item(scope, index)
            case Root.INPUT_FIRST | Root.INPUT_LAST | Root.INPUT_ALL:
                return _pick(self.root, scope.items)
            case _:
                return self._begin_at_node(scope, index)

    def _begin_at_node(self, scope: Scope, index: int) -> Json:
        items = scope.items_of(self.node)
        if self.root is Root.NODE_ITEM:
            return _paired_item(scope, self.node, index, items)
        if self.root is Root.NODE_VIEW:
            return _node_view(scope, self.node, index, items)
        return _pick(self.root, items)


def find_path(parsed: Parsed) -> Path | None:
    """The path that this expression is, or None when it is more than a path."""
    inside = parsed.expression.named_children if parsed.expression is not None else []
    chain = _Chain.of(inside[0], parsed) if len(inside) == 1 else None
    return chain.to_path() if chain is not None else None


def json_path(node: Node, parsed: Parsed) -> tuple[str, ...] | None:
    """The names that a chain on `$json` walks, or None for any other node."""
    names: list[str] = []
    at: Node | None = node
    while at is not None and at.type in ("member_expression", "subscript_expression"):
        name = _property(at, parsed)
        names = [] if name is None else [name, *names]
        at = at.child_by_field_name("object")
    if at is None or at.type != "identifier" or parsed.text(at) != "$json":
        return None
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A root name, the node it names, and the steps outwards: a property, and if it is called."""

    root: str
    node: str
    steps: list[tuple[str, bool]]

    @staticmethod
    def of(node: Node, parsed: Parsed) -> "_Chain | None":
        steps: list[tuple[str, bool]] = []
        at = node
        while at.type != "identifier":
            called = at.type == "call_expression"
            access = at.child_by_field_name("function") if called else at
            arguments = at.child_by_field_name("arguments")
            if access is None or (called and (arguments is None or at.child_count != 2)):
                return None
            if called and access.type == "identifier":
                return _Chain._of_node(access, arguments, steps, parsed)
            name = _property(access, parsed)
            inner = access.child_by_field_name("object")
            if name is None or inner is None or name in FORBIDDEN_KEYS:
                return None
            if arguments is not None and arguments.named_child_count > 0:
                return None
            steps.insert(0, (name, called))
            at = inner
        return _Chain(parsed.text(at), "", steps)

    @staticmethod
    def _of_node(
        function: Node, arguments: Node | None, steps: list[tuple[str, bool]], parsed: Parsed
    ) -> "_Chain | None":
        given = arguments.named_children if arguments is not None else []
        node = literal_text(given[0], parsed) if len(given) == 1 else None
        return _Chain("$()", node, steps) if parsed.text(function) == "$" and node else None

    def to_path(self) -> Path | None:
        root, node, steps = _NAMES.get(self.root), self.node, self.steps
        if root is None and steps:
            first, *rest = steps
            steps = rest
            if self.root == "$input":
                root = _INPUT.get(first)
            elif self.root == "$()":
                root = _NODE.get(first)
            elif self.root == "$node" and not first[1]:
                root, node = Root.NODE_VIEW, first[0]
        if root is None or any(called for _, called in steps):
            return None
        names = [name for name, _ in steps]
        return None if _asks_a_function(names) else Path(root, node, tuple(map(_key, names)))


def _property(node: Node, parsed: Parsed) -> str | None:
    """The literal name of a member or subscript access."""
    if node.type == "member_expression":
        name = node.child_by_field_name("property")
        plain = name is not None and name.type == "property_identifier"
        return parsed.text(name) if plain and name is not None else None
    if node.type != "subscript_expression":
        return None
    index = node.child_by_field_name("index")
    if index is not None and index.type == "number":
        digits = parsed.text(index)
        return digits if _number(digits) is not None else None
    return literal_text(index, parsed)


def _asks_a_function(names: Sequence[str]) -> bool:
    """Where a value lacks `trim`, V8 finds a method, and that has a name and a length."""
    return any(
        name in NATIVE_METHODS and following in ("length", "name")
        for name, following in pairwise(names)
    )


def _key(name: str) -> Key:
    return Key(name, _number(name))


def _number(text: str) -> int | None:
    canonical = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    return int(text) if canonical and len(text) < 10 else None


def _step(value: Json, key: Key) -> Json:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Json]", value).get(key.name)
    if isinstance(value, str):
        return _step_into_text(value, key)
    if not isinstance(value, Sequence):
        return None
    elements = cast("Sequence[Json]", value)
    if key.number is not None:
        return elements[key.number] if key.number < len(elements) else None
    return len(elements) if key.name == "length" else None


def _step_into_text(text: str, key: Key) -> Json:
    """A text's length or character, counted as JavaScript does: in UTF-16 units.

    Half a character is no text of ours: U+FFFD stands for it.
    """
    if key.name != "length" and key.number is None:
        return None
    units = text.encode("utf-16-le", "surrogatepass")
    if key.number is None:
        return len(units) // 2
    unit = units[2 * key.number : 2 * key.number + 2]
    return unit.decode("utf-16-le", "replace") if unit else None


def _input_item(scope: Scope, index: int) -> Item:
    if 0 <= index < len(scope.items):
        return scope.items[index]
    raise ExpressionError("There is no input item here, so $json has no value", code=NO_INPUT_ITEM)


def _pick(root: Root, items: Sequence[Item]) -> Json:
    if root in (Root.INPUT_ALL, Root.NODE_ALL):
        return list(items)
    if not items:
        return None
    return items[0] if root in (Root.INPUT_FIRST, Root.NODE_FIRST) else items[-1]


def _pair(scope: Scope, name: str, index: int) -> int | None:
    pairs = scope.pairs.get(name)
    return pairs[index] if pairs is not None and 0 <= index < len(pairs) else None


def _paired_item(scope: Scope, name: str, index: int, items: Sequence[Item]) -> Item:
    position = _pair(scope, name, index)
    if position is None or not 0 <= position < len(items):
        raise ExpressionError(
            f'It is unknown which item of the node "{name}" belongs to item {index}; '
            "use .first(), .last() or .all()",
            code=NO_PAIRED_ITEM,
        )
    return items[position]


def _node_view(scope: Scope, name: str, index: int, items: Sequence[Item]) -> Item:
    pair = _pair(scope, name, index)
    position = index if pair is None else pair
    if not 0 <= position < len(items):
        raise ExpressionError(
            f'The node "{name}" has no item at position {position}', code=NO_PAIRED_ITEM
        )
    item = items[position]
    view = {"json": item["json"], "data": item["json"]}
    return view | {"binary": item["binary"]} if "binary" in item else view

"""n8n's older Python, in which items were objects of JavaScript, as ours, in which they are dicts.

`item.json.name` becomes `item["json"]["name"]`; what is called, such as `.get("x")`, stays
a method.
"""

import ast
from collections.abc import Iterator

_BEGINS = frozenset({"json", "binary", "pairedItem"})
_NEEDLESS = "to_py"
_Edit = tuple[int, int, str]


def to_dicts(code: str) -> str:
    """The code with attributes of items as keys; as it is when it cannot be read."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    starts = _starts(code)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    edits: list[_Edit] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            edits.extend(_edit(node, called.get(id(node)), starts))
    data = code.encode()
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


def _starts(code: str) -> list[int]:
    """The offset at which each line begins, in bytes."""
    starts = [0]
    for line in code.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _edit(node: ast.Attribute, call: ast.Call | None, starts: list[int]) -> Iterator[_Edit]:
    begin = _offset(starts, node.value.end_lineno, node.value.end_col_offset)
    end = _offset(starts, node.end_lineno, node.end_col_offset)
    if call is None and _is_of_item(node):
        yield begin, end, f'["{node.attr}"]'
    elif call is not None and node.attr == _NEEDLESS and not call.args:
        yield begin, _offset(starts, call.end_lineno, call.end_col_offset), ""


def _is_of_item(node: ast.Attribute) -> bool:
    """Whether it is `json` of something, or lies below that."""
    at: ast.expr = node
    while isinstance(at, ast.Attribute | ast.Subscript):
        if isinstance(at, ast.Attribute) and at.attr in _BEGINS:
            return True
        at = at.value
    return isinstance(at, ast.Name) and at.id == "_json"


def _offset(starts: list[int], line: int | None, column: int | None) -> int:
    return starts[(line or 1) - 1] + (column or 0)

"""Code, and before it Function and Function Item: JavaScript of an author."""

import re

from engine_service.code.python_rules import read_python
from engine_service.code.results import CodeError
from engine_service.n8n.mapping import CannotMap, Mapped, NodeMapping, SourceNode
from engine_service.n8n.python_code import to_dicts
from shared.workflow import JsonObject

_MODES = {"runOnceForAllItems": "all_items", "runOnceForEachItem": "each_item"}
_ABSENT = {
    "$getWorkflowStaticData": r"\$?getWorkflowStaticData\b",
    "this.helpers": r"\bthis\.helpers\b|\$helpers\b",
    "require": r"\brequire\s*\(",
    "$input.context": r"\$input\.context\b",
    "$execution.customData": r"\bcustomData\b",
    "$secrets": r"\$secrets\b",
}
"""What n8n's code may use and ours cannot."""


def _code(node: SourceNode) -> Mapped:
    fields = node.fields
    mode = fields.choice("mode", _MODES, "runOnceForAllItems")
    fields.ignore("pythonCode", "jsCode", "notice")
    language = fields.fixed("language", "javaScript")
    if language in ("python", "pythonNative"):
        return _python(node, mode, with_objects=language == "python")
    return _run(node, str(fields.verbatim("jsCode", "")), mode)


def _python(node: SourceNode, mode: str, *, with_objects: bool) -> Mapped:
    """There `python` was CPython in the browser's way, `pythonNative` one in a process."""
    code = str(node.fields.verbatim("pythonCode", ""))
    if not code.strip():
        raise CannotMap("It holds no code.")
    written = to_dicts(code) if with_objects else code
    if written != code:
        node.fields.differ("Items are dicts: what was item.json.name is item['json']['name'] now.")
    try:
        read_python(written)
    except CodeError as error:
        node.fields.differ(f"Its Python is not all of Python here: {error.message}.")
    parameters: JsonObject = {"code": written}
    if mode != "all_items":
        parameters["mode"] = mode
    return Mapped("code.python", parameters)


def _function(node: SourceNode) -> Mapped:
    """There code may give `items` another value, and uses names that it does not declare."""
    code = str(node.fields.verbatim("functionCode", ""))
    if not code.strip():
        raise CannotMap("It holds no code.")
    return _run(node, f"{{ let items = $input.all(), item; {code}\n}}", "all_items")


def _function_item(node: SourceNode) -> Mapped:
    """There `item` is the object itself."""
    code = str(node.fields.verbatim("functionCode", ""))
    return _run(node, f"const item = $json; {code}", "each_item")


def _run(node: SourceNode, code: str, mode: str) -> Mapped:
    if not code.strip():
        raise CannotMap("It holds no code.")
    for name, pattern in _ABSENT.items():
        if re.search(pattern, code):
            node.fields.differ(f"Code has no {name} here.")
    parameters: JsonObject = {"code": code}
    if mode != "all_items":
        parameters["mode"] = mode
    return Mapped("code.javascript", parameters)


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.code",), _code),
    NodeMapping(("n8n-nodes-base.function",), _function),
    NodeMapping(("n8n-nodes-base.functionItem",), _function_item),
)

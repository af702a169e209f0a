"""Code, and before it Function and Function Item: JavaScript of an author."""

import re

from engine_service.n8n.mapping import CannotMap, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_MODES = {"runOnceForAllItems": "all_items", "runOnceForEachItem": "each_item"}
_ABSENT = {
    "$getWorkflowStaticData": r"\$?getWorkflowStaticData\b",
    "this.helpers": r"\bthis\.helpers\b|\$helpers\b",
    "require": r"\brequire\s*\(",
    "$input.params": r"\$input\.(params|context)\b",
    "$prevNode": r"\$prevNode\b",
    "$execution.customData": r"\bcustomData\b",
    "$secrets": r"\$secrets\b",
}
"""What n8n's code may use and ours cannot."""


def _code(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.fixed("language", "javaScript") != "javaScript":
        raise CannotMap("It runs Python; only JavaScript is known here.")
    fields.ignore("pythonCode", "notice")
    mode = fields.choice("mode", _MODES, "runOnceForAllItems")
    return _run(node, str(fields.verbatim("jsCode", "")), mode)


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

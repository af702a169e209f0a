"""The shapes of `bench/workflows.py` in n8n's language, one for one."""

from itertools import pairwise
from typing import Any

Node = dict[str, Any]


def webhook_set_respond(path: str) -> dict[str, Any]:
    """A webhook, one computed field, a response."""
    return _chain(path, [_webhook(path), _set("set", "total", keep=False), _respond()])


def pure_nodes(path: str, count: int) -> dict[str, Any]:
    """A chain of `count` nodes that compute."""
    sets = [_set(f"set{number}", f"f{number}", keep=True) for number in range(count)]
    return _chain(path, [_webhook(path), *sets, _respond()])


def http_effects(path: str, count: int, url: str) -> dict[str, Any]:
    """A chain of `count` HTTP calls."""
    calls = [
        _node(f"call{number}", "httpRequest", 4.2, {"method": "POST", "url": url, "options": {}})
        for number in range(count)
    ]
    return _chain(path, [_webhook(path), *calls, _respond()])


def many_items(path: str) -> dict[str, Any]:
    """A list in the body through split → set → filter → aggregate."""
    number = {"id": "1", "name": "double", "type": "number", "value": "={{ $json.n * 2 }}"}
    condition = {
        "id": "1",
        "leftValue": "={{ $json.double }}",
        "rightValue": 500,
        "operator": {"type": "number", "operation": "gt"},
    }
    options = {"caseSensitive": True, "leftValue": "", "typeValidation": "strict", "version": 2}
    conditions = {"options": options, "conditions": [condition], "combinator": "and"}
    return _chain(
        path,
        [
            _webhook(path),
            _node("split", "splitOut", 1, {"fieldToSplitOut": "body.items", "options": {}}),
            _node("set", "set", 3.4, {"assignments": {"assignments": [number]}, "options": {}}),
            _node("filter", "filter", 2.2, {"conditions": conditions, "options": {}}),
            _node("all", "aggregate", 1, {"aggregate": "aggregateAllItemData", "options": {}}),
            _respond(),
        ],
    )


def _webhook(path: str) -> Node:
    parameters: dict[str, Any] = {
        "httpMethod": "POST",
        "path": path,
        "responseMode": "responseNode",
        "options": {},
    }
    return {**_node("hook", "webhook", 2, parameters), "webhookId": path}


def _set(name: str, field: str, *, keep: bool) -> Node:
    value = "={{ $json.body.amount }}"
    assignment = {"id": "1", "name": field, "type": "number", "value": value}
    parameters: dict[str, Any] = {"assignments": {"assignments": [assignment]}, "options": {}}
    if keep:
        parameters["includeOtherFields"] = True
    return _node(name, "set", 3.4, parameters)


def _respond() -> Node:
    return _node("respond", "respondToWebhook", 1.1, {"options": {}})


def _node(name: str, kind: str, version: float, parameters: dict[str, Any]) -> Node:
    return {
        "id": name,
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "position": [0, 0],
        "parameters": parameters,
    }


def _chain(workflow_id: str, nodes: list[Node]) -> dict[str, Any]:
    return {
        "id": workflow_id,
        "name": workflow_id,
        "nodes": nodes,
        "connections": {
            before["name"]: {"main": [[{"node": after["name"], "type": "main", "index": 0}]]}
            for before, after in pairwise(nodes)
        },
        "settings": {"executionOrder": "v1"},
        "active": False,
    }

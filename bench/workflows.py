"""The definitions under measurement."""

from itertools import pairwise
from typing import Any


def webhook_set_respond(path: str) -> dict[str, Any]:
    """The smallest durable answer: a webhook, one computed field, a response."""
    return chain(
        "webhook-set-respond",
        [
            webhook(path),
            {
                "id": "set",
                "type": "data.set",
                "parameters": {
                    "assignments": [{"name": "total", "value": "{{ $json.body.amount }}"}]
                },
            },
            {"id": "respond", "type": "flow.respond"},
        ],
    )


def pure_nodes(path: str, count: int) -> dict[str, Any]:
    """A chain of `count` nodes that compute, between a webhook and its response."""
    sets = [
        {
            "id": f"set{number}",
            "type": "data.set",
            "parameters": {
                "include": "all",
                "assignments": [{"name": f"f{number}", "value": "{{ $json.body.amount }}"}],
            },
        }
        for number in range(count)
    ]
    respond = {"id": "respond", "type": "flow.respond"}
    return chain(f"{count}-pure", [webhook(path), *sets, respond])


def http_effects(path: str, count: int, url: str) -> dict[str, Any]:
    """A chain of `count` journalled HTTP calls, between a webhook and its response."""
    calls = [
        {
            "id": f"call{number}",
            "type": "http.request",
            "parameters": {"method": "POST", "url": url},
        }
        for number in range(count)
    ]
    respond = {"id": "respond", "type": "flow.respond"}
    return chain(f"{count}-http", [webhook(path), *calls, respond])


def many_items(path: str) -> dict[str, Any]:
    """A list in the body through split → set → filter → aggregate."""
    double = {"name": "double", "value": "{{ $json.n * 2 }}"}
    large = {"left": "{{ $json.double }}", "type": "number", "operator": "gt", "right": 500}
    respond = {"id": "respond", "type": "flow.respond"}
    return chain(
        "many-items",
        [
            webhook(path),
            {
                "id": "split",
                "type": "data.split",
                "parameters": {"fields": [{"name": "body.items"}]},
            },
            {"id": "set", "type": "data.set", "parameters": {"assignments": [double]}},
            {"id": "filter", "type": "flow.filter", "parameters": {"conditions": [large]}},
            {"id": "all", "type": "data.aggregate"},
            respond,
        ],
    )


def large_list(url: str) -> dict[str, Any]:
    """A list that is fetched, through split → set → filter → aggregate, and counted."""
    large = {"left": "{{ $json.double }}", "type": "number", "operator": "gt", "right": 500}
    whole = {"url": url, "split_items": False}
    return chain(
        "large-list",
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "fetch", "type": "http.request", "parameters": whole},
            {"id": "split", "type": "data.split", "parameters": {"fields": [{"name": "data"}]}},
            {
                "id": "set",
                "type": "data.set",
                "parameters": {
                    "include": "all",
                    "assignments": [{"name": "double", "value": "{{ $json.n }}"}],
                },
            },
            {"id": "filter", "type": "flow.filter", "parameters": {"conditions": [large]}},
            {"id": "all", "type": "data.aggregate"},
            {
                "id": "count",
                "type": "data.set",
                "parameters": {
                    "assignments": [{"name": "count", "value": "{{ $json.data.length }}"}]
                },
            },
        ],
    )


def large_file(url: str) -> dict[str, Any]:
    """A file that is fetched and read; the last of its rows is kept."""
    return chain(
        "large-file",
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "fetch", "type": "http.request", "parameters": {"url": url, "response": "file"}},
            {"id": "rows", "type": "data.file", "parameters": {"operation": "read"}},
            {"id": "last", "type": "data.limit", "parameters": {"max_items": 1, "keep": "last"}},
            {
                "id": "set",
                "type": "data.set",
                "parameters": {"assignments": [{"name": "id", "value": "{{ $json.id }}"}]},
            },
        ],
    )


def webhook(path: str) -> dict[str, Any]:
    """A trigger that waits for a node's answer."""
    return {
        "id": "hook",
        "type": "trigger.webhook",
        "parameters": {"path": path, "methods": ["POST"], "response_mode": "respond_node"},
    }


def chain(name: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """A definition whose nodes are one after the other."""
    ids = [node["id"] for node in nodes]
    return {
        "name": name,
        "nodes": [{"name": node["id"], **node} for node in nodes],
        "connections": [{"from": before, "to": after} for before, after in pairwise(ids)],
    }

"""Memories of agents: n8n's window, and conversations in Redis and PostgreSQL."""

import re

from engine_service.n8n.mapping import Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_MEMORIES = "@n8n/n8n-nodes-langchain.memory"
_CHATS_OWN = re.compile(r"^\s*\{\{\s*\$json(\.sessionId|\[['\"]sessionId['\"]\])\s*\}\}\s*$")
_LONGEST_TTL = 31_536_000
_MOST_TURNS = {"memory.buffer": 200, "memory.kv": 100}


def _window(node: SourceNode) -> Mapped:
    """The last turns, in the process of n8n."""
    node.fields.differ(
        "It is kept in PostgreSQL for 30 days after the last turn, instead of in a process."
    )
    return _mapped("memory.buffer", node, {})


def _redis(node: SourceNode) -> Mapped:
    seconds = int(node.fields.number("sessionTTL", 0))
    if seconds <= 0:
        node.fields.differ("A conversation is forgotten a year after its last turn, not never.")
    node.fields.differ("Conversations that n8n has kept in Redis are not read; they begin anew.")
    ttl = max(60, min(_LONGEST_TTL, seconds)) if seconds > 0 else _LONGEST_TTL
    return _mapped("memory.kv", node, {"ttl": ttl, "scope": "tenant"})


def _postgres(node: SourceNode) -> Mapped:
    node.fields.differ(
        "Conversations are kept with Flowloom's own data, for 30 days after the last turn; those "
        "in n8n's table are not read, and no credential is needed."
    )
    node.fields.located("tableName")
    return _mapped("memory.buffer", node, {"scope": "tenant"})


def _mapped(kind: str, node: SourceNode, parameters: JsonObject) -> Mapped:
    turns = int(node.fields.number("contextWindowLength", 5))
    made = {"turns": max(1, min(_MOST_TURNS[kind], turns)), **parameters}
    return Mapped(kind, {**made, **_session(node.fields)})


def _session(fields: Fields) -> JsonObject:
    """Whose conversation it is; what a chat says itself need not be written."""
    chosen = fields.fixed("sessionIdType", "")
    written = fields.take("sessionKey", "")
    if chosen == "fromInput" or not written or _CHATS_OWN.match(str(written)):
        return {}
    return {"session": written if isinstance(written, str) else str(written)}


MAPPINGS = (
    NodeMapping((f"{_MEMORIES}BufferWindow",), _window),
    NodeMapping((f"{_MEMORIES}RedisChat",), _redis),
    NodeMapping((f"{_MEMORIES}PostgresChat",), _postgres),
)

"""Nodes that are named as such: `a Set node`, `an HTTP Request node`, `a Switch`."""

import re

from agent_service.authors.offline.reading import (
    Ai,
    Answer,
    Ask,
    Code,
    Http,
    Loop,
    Pause,
    SetFields,
    Source,
    Step,
    Stop,
    Together,
)
from agent_service.authors.offline.text import Text

_NODE = re.compile(
    r"\b(?P<name>set|edit fields|code|function|http request|http|merge|wait|split in batches|loop(?: over items)?|"
    r"respond(?: to webhook)?|approval|stop and error|ai|llm|chat|openai)\s+(?:node|step|block)\b",
    re.IGNORECASE,
)
_DEFAULT_SECONDS = 60


def read_named_node(plain: str, text: Text) -> Step | None:
    """The step that a node's name stands for."""
    found = _NODE.search(plain)
    if found is None:
        return None
    phrase = text.restore(plain)
    match found["name"].lower():
        case "set" | "edit fields":
            return SetFields(phrase, {})
        case "code" | "function":
            return Code(phrase, text.literal(plain, "code"))
        case "http request" | "http":
            return Http(phrase, "GET", text.literal(plain, "url"), purpose=phrase)
        case "merge":
            return Together(phrase)
        case "wait":
            return Pause(phrase, _DEFAULT_SECONDS)
        case "split in batches" | "loop" | "loop over items":
            return Loop(phrase, 1, [])
        case "respond" | "respond to webhook":
            return Answer(phrase, Source.SUBJECT)
        case "approval":
            return Ask(phrase, "")
        case "stop and error":
            return Stop(phrase, text.literal(plain, "quote") or phrase)
        case _:
            return Ai(phrase, "ask", phrase)

"""Nodes that are named as such: `a Set node`, `an HTTP Request node`, `a Merge node`."""

import re
from collections.abc import Callable, Mapping

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
    r"\b(?P<name>set|edit fields|code|function|http request|http|merge|wait|split in batches"
    r"|loop(?: over items)?|respond(?: to webhook)?|approval|stop and error|ai|llm|chat|openai)\s+"
    r"(?:node|step|block)\b",
    re.IGNORECASE,
)
_DEFAULT_SECONDS = 60
_Make = Callable[[str, str, Text], Step]


def _set(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return SetFields(phrase, {})


def _code(phrase: str, plain: str, text: Text) -> Step:
    return Code(phrase, text.literal(plain, "code"))


def _http(phrase: str, plain: str, text: Text) -> Step:
    return Http(phrase, "GET", text.literal(plain, "url"), purpose=phrase)


def _stop(phrase: str, plain: str, text: Text) -> Step:
    return Stop(phrase, text.literal(plain, "quote") or phrase)


def _loop(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return Loop(phrase, 1, [])


def _merge(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return Together(phrase)


def _wait(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return Pause(phrase, _DEFAULT_SECONDS)


def _respond(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return Answer(phrase, Source.SUBJECT)


def _approval(phrase: str, plain: str, text: Text) -> Step:
    del plain, text
    return Ask(phrase, "")


_BY_NAME: Mapping[str, _Make] = {
    "set": _set,
    "edit fields": _set,
    "code": _code,
    "function": _code,
    "http request": _http,
    "http": _http,
    "merge": _merge,
    "wait": _wait,
    "split in batches": _loop,
    "loop": _loop,
    "loop over items": _loop,
    "respond": _respond,
    "respond to webhook": _respond,
    "approval": _approval,
    "stop and error": _stop,
}


def read_named_node(plain: str, text: Text) -> Step | None:
    """The step that a node's name stands for; the other names are those of models."""
    found = _NODE.search(plain)
    if found is None:
        return None
    phrase = text.restore(plain)
    make = _BY_NAME.get(found["name"].lower())
    return make(phrase, plain, text) if make else Ai(phrase, "ask", phrase)

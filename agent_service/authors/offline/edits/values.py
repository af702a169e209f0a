"""Single values: an address, a method, a limit, a pause, a path, what is replied."""

import re

from agent_service.authors.offline.actions.answers import read_answer
from agent_service.authors.offline.actions.pauses import read_pause
from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.scopes import scope_at
from agent_service.authors.offline.edits.targets import find_node, nodes_of
from agent_service.authors.offline.numerals import to_amount
from agent_service.authors.offline.openings import fitting, still_open
from agent_service.authors.offline.parameters import answer, pause
from agent_service.authors.offline.reading import Answer, Open, Pause

URL = "edit.url"
_CHANGE = (
    r"(?:change|set|update|switch|move|point|use|make|raise|lower|increase|decrease|replace|put"
    r"|改|换|设|把|将|提高|降低)"
)
_URL = re.compile(
    rf"^(?:please )?{_CHANGE}\b.*\b(?:url|address|endpoint|api|link|to|instead)\b|\binstead\b"
    rf"|{_CHANGE}.*(?:地址|网址|接口)|改(?:为|成|到)",
    re.IGNORECASE,
)
_NEW_STEP = re.compile(
    r"^(?:also|then|and|add|additionally|after that|同时|另外|再|还)", re.IGNORECASE
)
_NEEDS_URL = re.compile(
    r"^(?:please )?(?:change|update|set|edit) (?:the )?(?:url|address|endpoint)\.?$"
    r"|^(?:改|换)(?:一下|个)?(?:地址|网址)$",
    re.I,
)
_METHOD = re.compile(
    r"\b(?:use|make it|change (?:it|the method) to|with|as)\s+(?:a )?(GET|POST|PUT|PATCH|DELETE)\b"
)
_LIMIT = re.compile(
    r"\b(?:limit|threshold|amount|maximum|minimum|value|condition|number|cutoff|bar)\b.*?"
    r"(?:\bto\b|\bis\b|=|:)\s*(?P<value>[$€£]?\d[\d,.]*\s*[km]?)\b"
    r"|^(?:if|when|only)?\s*(?:it'?s |it is |they are )?(?:over|above|below|under|more than"
    r"|less than)\s+(?P<value2>[$€£]?\d[\d,.]*\s*[km]?)\s*(?:instead)?(?: of .*)?$"
    r"|\b(?P<value3>[$€£]?\d[\d,.]*\s*[km]?)\s+instead of\s+[$€£]?\d"
    r"|(?:阈值|上限|下限|金额|条件).*?(?:改|设)(?:为|成|到)?\s*(?P<value4>\d[\d,.]*)",
    re.IGNORECASE,
)
_PATH = re.compile(r"\b(?:path|listen|endpoint|webhook)\b|路径", re.IGNORECASE)


def change_url(wish: Wish) -> Changed | None:
    """`send it to https://… instead`."""
    requests = nodes_of(wish.definition, "http.request")
    if not requests:
        return None
    needed = bool(_NEEDS_URL.match(wish.plain.strip()))
    missing = still_open(Open(URL, "url", requests[0]["name"]), wish.answers) if needed else []
    if missing:
        return Changed(wish.definition, [], open=missing)
    urls = [part.value for part in wish.text.literals(wish.plain, "url")]
    urls = urls or [url for url in (fitting(URL, wish.answers),) if url and needed]
    if not urls or _NEW_STEP.match(wish.plain) or not _URL.search(wish.plain):
        return None
    node = find_node(wish.plain, wish.text, wish.definition)
    chosen = node if node is not None and node["type"] == "http.request" else requests[-1]
    old = str(chosen["parameters"].get("url", ""))
    new = next((url for url in urls if url.rstrip("/") != old.rstrip("/")), None)
    return None if new is None else _with(wish, chosen["id"], {"url": new})


def change_method(wish: Wish) -> Changed | None:
    """`use PUT instead of POST`."""
    found = _METHOD.search(wish.plain)
    requests = nodes_of(wish.definition, "http.request")
    if found is None or not requests or wish.text.literal(wish.plain, "url"):
        return None
    node = find_node(wish.plain, wish.text, wish.definition)
    chosen = node if node is not None and node["type"] == "http.request" else requests[-1]
    return _with(wish, chosen["id"], {"method": found.group(1)})


def change_limit(wish: Wish) -> Changed | None:
    """`change the limit to 200`: the first number that a condition compares with."""
    found = _LIMIT.search(wish.plain.strip(" .。"))
    if found is None:
        return None
    value = to_amount(next(one for one in found.groups() if one).strip(" .,"))
    after = wish.copy()
    for node in nodes_of(after, "flow.if", "flow.filter"):
        for condition in node.get("parameters", {}).get("conditions", []):
            if isinstance(condition.get("right"), int | float) and value is not None:
                condition["right"] = value
                return Changed(after, [node["id"]])
    return None


def change_pause(wish: Wish) -> Changed | None:
    """`wait 10 minutes instead`, where there is a pause already."""
    waits = nodes_of(wish.definition, "flow.wait")
    if not waits or _NEW_STEP.match(wish.plain):
        return None
    words = re.sub(
        r"^(?:please )?(?:change|make|set) (?:the )?(?:wait|delay|pause)(?: time)?(?: to)?(?: be)?",
        "wait ",
        wish.plain,
        flags=re.I,
    )
    step = read_pause(words.strip(), wish.text)
    return _with(wish, waits[0]["id"], pause(step)) if isinstance(step, Pause) else None


def change_answer(wish: Wish) -> Changed | None:
    """`reply with “done” instead`, where there is a reply already."""
    replies = nodes_of(wish.definition, "flow.respond")
    words = re.sub(
        r"\s+instead$|^(?:please|instead,?)\s+", "", wish.plain.strip(" .。"), flags=re.IGNORECASE
    )
    if not replies or not re.match(
        r"(?:reply|respond|answer|return|回复|返回|响应)", words, re.IGNORECASE
    ):
        return None
    step = read_answer(words, wish.text)
    if not isinstance(step, Answer):
        return None
    chosen = replies[-1]
    given = answer(step, scope_at(wish.definition, chosen["id"]))
    after = wish.copy()
    for node in after["nodes"]:
        if node["id"] == chosen["id"]:
            node["parameters"] = given
    return Changed(after, [chosen["id"]])


def change_path(wish: Wish) -> Changed | None:
    """`listen on /orders`."""
    hooks = nodes_of(wish.definition, "trigger.webhook")
    path = wish.text.literal(wish.plain, "path")
    if not hooks or not path or not _PATH.search(wish.plain):
        return None
    return _with(wish, hooks[0]["id"], {"path": path.strip("/")})


def _with(wish: Wish, node_id: str, given: "dict[str, object]") -> Changed:
    after = wish.copy()
    for node in after["nodes"]:
        if node["id"] == node_id:
            node["parameters"] = {**node.get("parameters", {}), **given}
    return Changed(after, [node_id])

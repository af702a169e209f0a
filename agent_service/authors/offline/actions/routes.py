"""One of many ways: `route urgent ones to …, normal ones to …, everything else to …`."""

import re
from collections.abc import Callable, Sequence

from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.reading import Case, Choice, FieldOf, Step
from agent_service.authors.offline.text import Text

_ROUTE = re.compile(
    r"^(?:route|switch|split|branch|dispatch|distribute|direct|sort)(?:s|es)?\b(?P<rest>.*)$"
    r"|^(?:按|根据|依据)(?P<han>.+)$",
    re.IGNORECASE,
)
_BY = re.compile(
    r"\b(?:by|based on|depending on|according to|on)\s+(?:the |its |their )?"
    r"(?P<field>[\w.\ue000-\uf8ff]+(?: \w+)?)",
    re.IGNORECASE,
)
_CASE = re.compile(
    r"(?:(?P<field>[a-z_][\w.]*)\s+)?(?P<value>[\ue000-\uf8ff]|[\w-]+)\s*(?:items?|ones?|orders?"
    r"|messages?|tickets?|requests?|priorit(?:y|ies))?\s*(?:(?:to|→|->|:|goes to|go to|=>)\s+)"
    r"(?P<target>[^,;]+?)(?=,\s|;|\s+and\s+(?:\w+\s+)?[\ue000-\uf8ff]|$)",
    re.IGNORECASE,
)
_DEFAULT = re.compile(
    r"\b(?:(?:every|each|any|all)?\s*(?:unmatched|other|else|rest|remaining|default|unknown)[\w ]*"
    r"|everything else|anything else|the rest)\s*(?:to|goes to|:)\s+(?P<target>[^,;]+)",
    re.IGNORECASE,
)
_ORDERING = re.compile(r"^sort\b|排序|排列|去重", re.IGNORECASE)
_NAME = r"[^:\s](?:[^:]{0,58}[^:\s])?"

Reader = Callable[[str], list[Step]]


def read_routes(plain: str, text: Text, steps_of: Reader) -> Choice | None:
    """A choice with its cases; without cases said, one that is still to be filled."""
    found = _ROUTE.match(plain)
    if found is None:
        return None
    rest = found["rest"] or found["han"] or ""
    by = _BY.search(rest)
    cases, field = _cases(rest, text, steps_of)
    if not cases and _ORDERING.search(plain):
        return None
    if not cases and by is None:
        return None
    path = field_path(by["field"], text) if by else field
    default = _DEFAULT.search(rest)
    return Choice(
        phrase=text.restore(plain),
        by=FieldOf(path or "type"),
        cases=cases,
        default=_sent_to(default["target"], steps_of) if default else [],
    )


def _cases(rest: str, text: Text, steps_of: Reader) -> tuple[Sequence[Case], str]:
    cases: list[Case] = []
    field = ""
    for found in _CASE.finditer(rest):
        value = text.restore(found["value"])
        if re.fullmatch(
            r"unmatched|other|else|rest|remaining|default|it|them|items?", value, re.IGNORECASE
        ):
            continue
        field = field or (found["field"] or "")
        cases.append(Case(value, _sent_to(found["target"], steps_of)))
    return cases, field.lower()


def _sent_to(target: str, steps_of: Reader) -> list[Step]:
    return steps_of(f"send it to {target.strip()}")

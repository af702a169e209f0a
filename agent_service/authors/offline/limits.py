"""A limit within something to do: `for each item with price over 10`, 把金额大于100的订单….

It says which items the rest of the clause is about, and is no clause of its own.
"""

import re
from dataclasses import dataclass

from agent_service.authors.offline.conditions import AMOUNT, read_condition, split_condition
from agent_service.authors.offline.reading import Comparison, Condition
from agent_service.authors.offline.text import Text
from agent_service.authors.offline.verbs import ACTION_START

_FLAGS = re.IGNORECASE
_NOUN = (
    r"(?:items?|orders?|rows?|records?|entr(?:y|ies)|ones?|users?|customers?|products?|leads?"
    r"|tickets?|results?|invoices?|payments?|purchases?|transactions?|expenses?|refunds?|deals?"
    r"|contacts?|members?|tasks?|issues?|events?|files?|posts?|articles?|people|persons?|those"
    r"|them|all|any|elements?|objects?|offers?|requests?|subscriptions?|accounts?|jobs?)"
)
_EACH = r"(?:each|every|all|any|only|those|the ones|the)"
_AMOUNTS = re.compile(
    r"\b(?:orders?|invoices?|payments?|purchases?|transactions?"
    r"|expenses?|refunds?|deals?|amounts?)\s+(?P<condition>"
    rf"(?:over|above|greater than|more than|larger than|under|below|less than)\s+(?:{AMOUNT}))",
    _FLAGS,
)
_WHERE = re.compile(
    rf"\b(?P<each>{_EACH}\s+(?=\w)|(?=those|them|ones))?(?:(?:new|open|single)\s+)?"
    rf"(?:{_NOUN}|(?<=each )\w+|(?<=every )\w+)\s+(?P<where>(?:with|whose|where|having|that|which"
    r"|for which)\s+(?:(?:has|have|had)\s+|(?:an?|the|its?|their)\s+)*(?P<condition>\S.*))$",
    _FLAGS,
)
_TARGET = re.compile(
    rf"[,，]|\s+(?:to|into|at|via|on|in|and|from|then)\s|\s+(?={ACTION_START})|$", _FLAGS
)
_HAN = re.compile(
    r"(?P<condition>(?:(?!把|将|对|每|个|条)[\w\u4e00-\u9fff]){1,8}?(?:大于等于|不少于|不低于|至少"
    rf"|小于等于|不超过|大于|超过|高于|多于|小于|低于|少于|不足|等于)\s*(?:{AMOUNT}))的",
    _FLAGS,
)


@dataclass(frozen=True, slots=True)
class LimitFound:
    """A limit, and the clause without it."""

    condition: Condition
    rest: str


def find_limit(plain: str, text: Text) -> LimitFound | None:
    """The limit in a clause, if every word of it is understood."""
    if found := _AMOUNTS.search(plain):
        return _found(plain, found.span("condition"), f"amount {found['condition']}", text)
    if found := _HAN.search(plain):
        begin, end = found.span("condition")
        return _found(plain, (begin, end + 1), found["condition"], text)
    for found in _WHERE.finditer(plain):
        limit = _where(plain, found, text)
        if limit is not None:
            return limit
    return None


def _where(plain: str, found: "re.Match[str]", text: Text) -> LimitFound | None:
    begin = found.start("where")
    said = found["condition"]
    if (parts := split_condition(said, text)) and _certain(parts[0]):
        end = len(plain) - len(parts[1]) if parts[1] else len(plain)
        return LimitFound(parts[0], _without(plain, begin, end))
    if found["each"] is None or re.match(r"(?:url|link|body|payload|json)\b", said, _FLAGS):
        return None
    for target in _TARGET.finditer(said):
        span = (begin, found.start("condition") + target.start())
        if limit := _found(plain, span, said[: target.start()], text):
            return limit
    return None


def _found(plain: str, span: tuple[int, int], words: str, text: Text) -> LimitFound | None:
    condition = read_condition(words, text)
    return LimitFound(condition, _without(plain, *span)) if _certain(condition) else None


def _without(plain: str, begin: int, end: int) -> str:
    return " ".join((plain[:begin] + " " + plain[end:]).split())


def _certain(condition: Condition) -> bool:
    return all(isinstance(test, Comparison) for test in condition.tests)

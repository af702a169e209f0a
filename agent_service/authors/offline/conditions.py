"""Conditions as people say them, as comparisons of `flow.if`: `amount is over 100`, 金额大于100.

`read_condition` takes a whole clause; `split_condition` finds where a condition ends when what
depends on it follows without a comma, as in `the amount is over 100 ask me first`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.models import wants_model
from agent_service.authors.offline.numerals import HAN_NUMBER, to_amount
from agent_service.authors.offline.outcomes import find_outcome, read_outcome
from agent_service.authors.offline.reading import (
    Approved,
    Comparison,
    Condition,
    FieldOf,
    Judgement,
    Test,
    Unread,
)
from agent_service.authors.offline.text import LITERAL, Text, is_han

_FLAGS = re.IGNORECASE

AMOUNT = (
    r"(?:[$€£¥￥]\s*)?-?\d[\d,]*(?:\.\d+)?\s*(?:k\b|m\b"
    r"|万|千|亿)?(?:\s*(?:%|percent|dollars|euros?|usd|eur|元|块钱?"
    r"|美元|分钟|minutes?|hours?|days?|characters|items|°?c\b|°|degrees)(?!\w))?"
    rf"|{HAN_NUMBER}(?:元|块钱?|美元)?|(?:a |one )?(?:hundred|thousand|million)"
)
_IS = (
    r"(?:is|are|was|were|be|gets?|goes|becomes?|has|have|'s|drops?|falls?|rises?|climbs?|exceeds?)"
)
_NUMERIC: tuple[tuple[str, str], ...] = (
    (
        "gte",
        r"(?:is |are )?(?:at least|no less than|not less than|greater than or equal(?: to)?"
        r"|more than or equal to|>=|≥|⩾)",
    ),
    (
        "lte",
        r"(?:is |are )?(?:at most|no more than|not more than|not over|not above"
        r"|less than or equal(?: to)?|up to|<=|≤|⩽)",
    ),
    (
        "gt",
        rf"(?:{_IS} )?(?:over|above|greater than|more than|larger than|higher than|bigger than"
        rf"|older than|longer than|beyond|exceeding|hotter than|warmer than)|(?:{_IS} )?>|exceeds?"
        r"|surpass(?:es)?|is greater",
    ),
    (
        "lt",
        rf"(?:{_IS} )?(?:under|below|less than|lower than|smaller than|fewer than|younger than"
        rf"|shorter than|colder than|cheaper than)|(?:{_IS} )?<",
    ),
    ("equals", r"(?:is |are )?(?:exactly|equals?(?: to)?|equal to|==?)|(?:is|are|was)"),
    (
        "not_equals",
        r"(?:is|are) not(?: equal to)?|isn't|aren't|does not equal|doesn't equal|!=|≠|<>",
    ),
    ("gte", r"(?:大于等于|大于或等于|不少于|不小于|不低于|至少(?:是|为)?)"),
    ("lte", r"(?:小于等于|小于或等于|不大于|不多于|不高于|不超过|至多|最多)"),
    ("gt", r"(?:大于|超过|高于|多于|超出|高过)"),
    ("lt", r"(?:小于|低于|少于|不足|未满)"),
    ("not_equals", r"(?:不等于|不是|不为)"),
    ("equals", r"(?:等于|为|是)"),
)
_TEXTUAL: tuple[tuple[str, str], ...] = (
    (
        "not_contains",
        r"(?:does not|doesn't|do not|don't) (?:contain|include|mention|have)|不包含|不含|没有提到",
    ),
    (
        "contains",
        r"(?:contains?|includes?|mentions?|has the words?|containing|包含|含有|提到|包括)",
    ),
    ("not_starts_with", r"(?:does not|doesn't) (?:start|begin) with"),
    ("starts_with", r"(?:starts?|begins?) with|以(?=.+开头)"),
    ("ends_with", r"ends? (?:with|in)|以(?=.+结尾)"),
    ("regex", r"match(?:es)?(?: the)? (?:regex|pattern|regular expression)"),
    (
        "not_equals",
        r"(?:is|are|was) not(?: equal to)?|isn't|aren't|does not equal|doesn't equal|!=|≠"
        r"|不等于|不是|不为|differs from",
    ),
    ("equals", r"(?:is |are )?(?:equals?(?: to)?|equal to|set to|==?)|(?:is|are|was|=|等于|为|是)"),
)
_UNARY: tuple[tuple[str, str, str], ...] = (
    (
        "string",
        "empty",
        r"(?:is|are) (?:empty|blank|missing|not (?:set|present|given|provided|there|available)"
        r"|null|undefined)|(?:does not|doesn't|do not) exist|(?:has no|lacks?) value"
        r"|(?:为空|是空的?|不存在|没有填|缺失)",
    ),
    (
        "string",
        "not_empty",
        r"(?:is|are) (?:not (?:empty|blank|missing|null)|present|set|given|provided|available"
        r"|there)|exists?|(?:不为空|非空|存在|有值)",
    ),
    ("boolean", "true", r"(?:is|are) (?:true|yes|on|enabled|checked)|(?:为真|是真的?|为是)"),
    ("boolean", "false", r"(?:is|are) (?:false|no|off|disabled|unchecked)|(?:为假|为否)"),
)

_APPROVED = re.compile(
    r"^(?:(?:i|we|they|he|she|it|this|that|the (?:manager|boss|request|approver|order))\s*)?"
    r"(?:(?:is|was|gets?|has been)\s+)?"
    r"(?:approved?s?|agrees?|confirmed?|accept(?:s|ed)?|says? (?:yes|ok))(?: it| this| that)?$"
    r"|^(?:被)?(?:批准|通过|同意)(?:了|后|的话)?$|^(?:审批|审核)通过$",
    _FLAGS,
)
_REJECTED = re.compile(
    r"^(?:(?:i|we|they|he|she|it|this|that)\s*)?(?:(?:is|was|gets?|has been)\s+)?(?:rejected?s?"
    r"|declined?s?|denied|denies|refused?s?|not approved|disapproved?s?|says? no|disagrees?"
    r"|(?:do(?:es)? not|don['’]?t|doesn['’]?t) (?:approve|agree|want))(?: it| this| that)?$"
    r"|^(?:被)?(?:拒绝|驳回|不同意|不通过|不批准)(?:了|的话)?$|^(?:审批|审核)(?:不通过|被拒绝?)$",
    _FLAGS,
)
_SIDE_BY_SIDE = re.compile(rf"^(?P<subject>[\w. ]{{1,40}}?)\s*(?P<value>{LITERAL})$")
_STATE = re.compile(
    r"^(?:(?:it|this|that|(?:the |a |an )?[\w -]{0,40}?)\s*(?:is|was|has been|are|were)\s+)?"
    r"(?P<not>not\s+)?(?:still\s+)?"
    r"(?P<state>complete|completed|finished|successful|succeeded|failed|ready|done|available"
    r"|unavailable|valid|invalid|pending|processing|open|closed|paid|unpaid|expired|active"
    r"|inactive|found|missing|new|overdue|cancelled|confirmed|verified|enabled|disabled)$",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"\b(?:e-?mails?|messages?|texts?|comments?|reviews?|feedback|articles?|documents?|tickets?"
    r"|questions?|images?|photos?|content|sentiment|tone|inquir(?:y|ies)|resumes?|cvs?)\b"
    r"|邮件|消息|评论|反馈|文章|内容|情绪|问题|图片|简历",
    _FLAGS,
)
_SUBJECT = r"(?P<subject>[^,，;；]{1,80}?)"
_JOIN = re.compile(r"\s+(and|or)\s+|(并且|而且|且|或者|或)", _FLAGS)


@dataclass(frozen=True, slots=True)
class _Numeric:
    operator: str
    pattern: "re.Pattern[str]"


_NUMERIC_PATTERNS = tuple(
    _Numeric(
        operator,
        re.compile(
            rf"{_SUBJECT}\s*(?:{words})\s*(?P<value>{AMOUNT})(?P<tail>\s+or "
            r"(?:more|less|fewer|above|below|over|higher|lower|greater)|以上|以下)?",
            _FLAGS,
        ),
    )
    for operator, words in _NUMERIC
)
_AND_UP = {
    "more": "gte", "above": "gte", "over": "gte", "higher": "gte", "greater": "gte", "以上": "gte",
    "less": "lte", "fewer": "lte", "below": "lte", "lower": "lte", "以下": "lte",
}  # fmt: skip
_UNARY_PATTERNS = tuple(
    (kind, operator, re.compile(rf"{_SUBJECT}\s*(?:{words})(?![\w\u4e00-\u9fff])", _FLAGS))
    for kind, operator, words in _UNARY
)
_TEXT_PATTERNS = tuple(
    (
        operator,
        re.compile(
            rf"{_SUBJECT}\s*(?:(?<=[\u4e00-\u9fff\s\ue000-\uf8ff])|\b)"
            rf"(?:{words})\s*(?P<value>{LITERAL}(?:\s*(?:or|,|或|、)\s*{LITERAL})*"
            r"|[^\s,，。;；]+(?:\s+[^\s,，。;；]+){0,3})",
            _FLAGS,
        ),
    )
    for operator, words in _TEXTUAL
)
_BARE_AMOUNT = re.compile(rf"^(?P<rest>[\w\s]*?)\s*(?:of\s+)?(?P<value>{AMOUNT})$", _FLAGS)


def read_condition(plain: str, text: Text) -> Condition:
    """The condition a clause states; what no rule compares is put to a model as a question."""
    clause = _trimmed(plain)
    parts = [part for part in _JOIN.split(clause) if part and part.strip()]
    words = [part for part in parts if re.fullmatch(r"and|or|并且|而且|且|或者|或", part, _FLAGS)]
    tests = [_test(part.strip(), text) for part in parts if part not in words]
    whole = _test(clause, text)
    phrase = text.restore(plain).strip()
    if whole is not None and (not words or None in tests or isinstance(whole, Approved)):
        return _of(phrase, whole, clause)
    known = [test for test in tests if test is not None]
    if known and len(known) == len(tests):
        any_of = any(word.lower() in ("or", "或者", "或") for word in words)
        return Condition(phrase, [_inherit(known[0], one) for one in known], any_of)
    return Condition(phrase, [_question(phrase, plain, text)])


def _question(phrase: str, plain: str, text: Text) -> Judgement | Unread:
    """A question of meaning goes to a model if it is about a text, or models are wished for."""
    of_meaning = _CONTENT.search(plain) or wants_model(text.plain)
    return Judgement(phrase) if of_meaning else Unread(phrase)


def _of(phrase: str, test: Test, clause: str) -> Condition:
    if isinstance(test, Approved):
        return Condition(phrase, [test], negated=bool(_REJECTED.match(clause)))
    return Condition(phrase, [test])


def _inherit(first: Test, one: Test) -> Test:
    """`the price is over 10 and below 20` compares the price twice."""
    if isinstance(first, Comparison) and isinstance(one, Comparison) and one.left == FieldOf(""):
        return replace(one, left=first.left)
    return one


def split_condition(plain: str, text: Text) -> tuple[Condition, str] | None:
    """A condition at the start of a clause, and what follows it; None when it has no clear end."""
    clause = _trimmed(plain)
    if outcome := find_outcome(clause, text):
        said = Condition(text.restore(clause[: outcome.end]).strip(), [outcome.test])
        return said, clause[outcome.end :].strip()
    best: tuple[int, Comparison] | None = None
    for numeric in _NUMERIC_PATTERNS:
        if found := numeric.pattern.match(clause):
            test = _numeric(numeric.operator, found, text)
            if test is not None and (best is None or found.end() < best[0]):
                best = (found.end(), test)
    if best is None:
        for kind, operator, pattern in _UNARY_PATTERNS:
            if found := pattern.match(clause):
                left = FieldOf(field_path(found["subject"], text))
                best = (found.end(), Comparison(left, kind, operator))
                break
    if best is None:
        return None
    end, test = best
    return Condition(text.restore(clause[:end]).strip(), [test]), clause[end:].strip()


def _trimmed(plain: str) -> str:
    clause = plain.strip().strip(",，.。;；:：").strip()
    return re.sub(r"(?:的话|的时候|时|,?\s*then)$", "", clause, flags=_FLAGS).strip()


def _test(clause: str, text: Text) -> Test | None:
    if _APPROVED.match(clause) or _REJECTED.match(clause):
        return Approved()
    if outcome := read_outcome(clause, text):
        return outcome
    for numeric in _NUMERIC_PATTERNS:
        found = numeric.pattern.fullmatch(clause)
        if found and (test := _numeric(numeric.operator, found, text)):
            return test
    for kind, operator, pattern in _UNARY_PATTERNS:
        if found := pattern.fullmatch(clause):
            return Comparison(FieldOf(field_path(found["subject"], text)), kind, operator)
    if bare := _bare_comparison(clause):
        return bare
    return _textual(clause, text)


def _numeric(operator: str, found: "re.Match[str]", text: Text) -> Comparison | None:
    value = to_amount(_number_in(found["value"]))
    subject = found["subject"].strip()
    if value is None or re.search(r"\b(?:or|and)$", subject, _FLAGS):
        return None
    if tail := found["tail"]:
        operator = _AND_UP[tail.split()[-1].lower() if tail.strip().isascii() else tail.strip()]
    return Comparison(FieldOf(field_path(subject, text)), "number", operator, value)


def _number_in(words: str) -> str:
    found = re.match(
        r"[$€£¥￥]?\s*-?\d[\d,]*(?:\.\d+)?\s*(?:k\b|m\b|万|千|亿)?", words.strip(), _FLAGS
    )
    if found and found.group().strip():
        return found.group()
    return re.sub(r"(?:元|块钱?|美元)$", "", words.strip())


def _bare_comparison(clause: str) -> Comparison | None:
    """A comparison without a subject of its own: `over 100`, `below 20`."""
    for operator, words in _NUMERIC:
        found = re.fullmatch(rf"(?:{words})\s*(?P<value>{AMOUNT})", clause, _FLAGS)
        value = to_amount(_number_in(found["value"])) if found else None
        if value is not None:
            return Comparison(FieldOf(""), "number", operator, value)
    return None


def _textual(clause: str, text: Text) -> Comparison | Judgement | Unread | None:
    for operator, pattern in _TEXT_PATTERNS:
        found = pattern.fullmatch(clause)
        if not found:
            continue
        literals = text.literals(found["value"], "quote", "code", "url")
        if not literals and (_CONTENT.search(found["subject"]) or len(found["value"].split()) > 2):
            return _question(text.restore(clause), clause, text)
        return _comparison(operator, found, [part.value for part in literals], text)
    if found := _SIDE_BY_SIDE.match(clause):
        literal = text.literal(found["value"]) or ""
        return Comparison(FieldOf(field_path(found["subject"], text)), "string", "equals", literal)
    if found := _STATE.match(clause):
        state = found["state"].lower()
        operator = "not_equals" if found["not"] else "equals"
        return Comparison(FieldOf("status"), "string", operator, state)
    return Judgement(text.restore(clause)) if _CONTENT.search(clause) else None


def _comparison(
    operator: str, found: "re.Match[str]", literals: Sequence[str], text: Text
) -> Comparison:
    left = FieldOf(field_path(found["subject"], text))
    value: Any = literals[0] if literals else _word(found["value"])
    if len(literals) > 1 and operator == "equals":
        choices = "|".join(re.escape(one) for one in literals)
        return Comparison(left, "string", "regex", f"^(?:{choices})$")
    return Comparison(left, "string", operator, value)


def _word(value: str) -> str:
    bare = re.sub(r"^(?:the|a|an)\s+", "", value.strip(), flags=_FLAGS)
    return re.sub(r"(?:开头|结尾)$", "", bare) if is_han(bare) else bare

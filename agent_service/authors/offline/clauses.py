"""A request cut into clauses: what is to be done, on which condition, and how that hangs together.

Sentences end at full stops and line breaks; within them, clauses end where another thing to do
begins. `if`, `otherwise` and `then` become roles and links; the words themselves are for others.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from agent_service.authors.offline.checks import answers_so, read_check
from agent_service.authors.offline.conditions import split_condition
from agent_service.authors.offline.outcomes import HAN_OUTCOME, find_outcome, read_outcome
from agent_service.authors.offline.text import Text
from agent_service.authors.offline.verbs import ACTION_START, HAN_ACTION, IMPERATIVE

Role = Literal["if", "else", "do", "check"]
Link = Literal["sentence", "then", "finally", "and"]
_FLAGS = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a request.

    Attributes:
        role: `if` holds a condition, `else` nothing, `do` something to do; a `check` becomes one
            of these before anybody else sees it.
        link: How it follows what was before.
        only: For `if`: it governs the next clause alone, as in `send it if …`.
        negated: For `if`: said with `unless`.
    """

    role: Role
    link: Link
    plain: str = ""
    only: bool = False
    negated: bool = False


_SENTENCE = (
    r"(?:[.!?]+(?=[\s\"']|$)|[。！？]+|;|；|\s*\n+\s*(?:[-*•]\s+|\d+[.)]\s+)?|\s+[—–-]{1,2}\s+)"
)
_ARROW = r"\s*(?:→|->|=>|⇒)\s*"
_THEN = (
    r"[,，]?\s*\b(?:and |but )?"
    r"(?:then|afterwards?|after that|after this|next|subsequently|once done)\b[,:]?\s*"
    r"|[,，]?\s*(?:然后|接着|随后|之后(?!的)|接下来)[,，]?\s*|[,，]\s*再(?!次)"
)
_FINALLY = (
    r"[,，]?\s*\b(?:and )?(?:finally|lastly|at the end|in the end|in any case|either way"
    r"|at last)\b,?\s*|[,，]?\s*(?:最后|最终|无论如何)[,，]?\s*"
)
_ELSE = (
    r"(?:(?:otherwise|or else|else|if not|in (?:all )?other cases|in any other case)(?!\w)"
    r"|否则|不然|要不然|其他情况下?)"
)
_IF = (
    r"(?:if|whenever|when|in case(?: of)?|provided(?: that)?|as long as|only if|only when|unless"
    r"|should|如果|若是?|要是|假如|当|一旦|只有|除非)"
)
_ON_TROUBLE = (
    r"(?:on|upon|in (?:the )?case of|in the event of)\s+(?:an? |any )?"
    r"(?:errors?|failures?|problems?|issues?|trouble|outages?|time-?outs?|success)\b[,:]?"
)
_CONDITIONAL = rf"(?:if|unless|when|whenever|in case|should|{_ON_TROUBLE})\b"
_HAN_SO = r"\s*(?:的话|的时候|时候?|就|则|便|[,，]\s*(?:就|则|便|请|问|通知|提醒))"
_CUTS: tuple[tuple[Link, "re.Pattern[str]"], ...] = (
    ("sentence", re.compile(_SENTENCE)),
    ("then", re.compile(_ARROW)),
    ("finally", re.compile(_FINALLY, _FLAGS)),
    ("then", re.compile(_THEN, _FLAGS)),
    ("and", re.compile(rf"[,，]?\s*(?:\b(?:but|and)\s+)?(?={_ELSE})", _FLAGS)),
    ("and", re.compile(rf"\s*[,，]\s*(?:and |but |or )?(?:also )?(?={ACTION_START})", _FLAGS)),
    ("and", re.compile(rf"\s+(?:and|&|but)\s+(?:also )?(?={ACTION_START})", _FLAGS)),
    (
        "and",
        re.compile(
            rf"[,，]?\s+(?:and|but)\s+(?={_CONDITIONAL})|[,，]\s*(?=(?:once\b|{_CONDITIONAL}))",
            _FLAGS,
        ),
    ),
    ("and", re.compile(rf"[,，、]?\s*(?:并且|并|同时|而且|且)(?={HAN_ACTION})"
                       rf"|[,，]\s*(?:则|就|便)?(?={HAN_ACTION})")),
    ("and", re.compile(r"[,，]?\s*\b(?:and\s+)?(?=for (?:each|every)\b)|[,，](?=对于?每)", _FLAGS)),
    ("and", re.compile(rf"(?:\s*,\s*(?:and\s+|then\s+)?|\s+and\s+)(?={IMPERATIVE})", _FLAGS)),
    ("and", re.compile(r"[,，]\s*(?=(?!和|以及|等|及|或|与|也就是)[\u4e00-\u9fff]{3})")),
    ("then", re.compile(r"(?<=[\u4e00-\u9fff])后(?=(?:发|保存|推送|回复|提交|通知|写入|存))")),
    ("and", re.compile(r"[,，:：]\s*(?=(?:如果|若|要是|假如|一旦|除非))")),
    ("and", re.compile(rf":\s*(?={_CONDITIONAL})", _FLAGS)),
    ("and", re.compile(rf"[,，]\s*(?={HAN_OUTCOME}{_HAN_SO})", _FLAGS)),
)  # fmt: skip
_LEADING = re.compile(
    r"^(?:(?:please|and|also|so|just|then|first(?:ly)?|now|next|to|automatically|immediately"
    r"|it should|it must|it (?:then )?(?:will|needs to)|i (?:want|need|would like)(?: you| it)? to"
    r"|i'd like(?: you)? to|it|you should|we (?:want|need) to|make sure(?: to| that)?"
    r"|be sure to|the (?:workflow|automation|flow|task) (?:should|must|needs to"
    r"|requires|is to|will|also must)(?: also)?|(?:can|could) you)\b[,:]?\s+"
    r"|请(?!我|经理|领导|老板|主管|财务|管理|负责|人|示)|帮我|麻烦|我想要?"
    r"|我要|需要|自动|首先|先(?!问|征|经|请|让|审|得)|就|则|再|也|还|系统|随后|能够?|可以|应该?"
    r"|要)+",
    _FLAGS,
)
_ELSE_START = re.compile(rf"^{_ELSE}[,，:]?\s*", _FLAGS)
_IF_START = re.compile(rf"^(?P<word>{_IF})(?:\b|(?<=[\u4e00-\u9fff]))[,，]?\s*", _FLAGS)
_TRAILING_IF = re.compile(
    r"^(?P<act>.{4,}?)[,]?\s+(?P<word>only if|only when|if|when|unless|in case|as long as)\s+"
    r"(?P<cond>.{4,})$",
    _FLAGS,
)
_HAN_TRAILING = re.compile(
    rf"^(?P<cond>[^,，]{{1,30}}?){_HAN_SO}[,，]?\s*(?:就|则|便)?(?P<act>.+)$"
)
_TROUBLE_START = re.compile(rf"^(?P<outcome>{_ON_TROUBLE})\s*(?P<act>.*)$", _FLAGS)
_MORE = re.compile(rf"(?:and|or)\s+(?!{ACTION_START})", _FLAGS)
_ACTION = re.compile(rf"\s+(?={ACTION_START})", _FLAGS)
_BEFORE_NOUNS = frozenset({
    "the", "a", "an", "my", "our", "your", "its", "his", "her", "their", "this", "that", "is",
    "are", "was", "to", "of", "not", "no", "any", "each", "every", "new",
})  # fmt: skip
_CONSENT = re.compile(
    r"^(?P<condition>(?:(?:it|this|that|i|they|he|she|the \w+) )?(?:is |was |gets? )?(?:not )?"
    r"(?:approved?s?|rejected?s?|declined?s?|denied|accepted|confirmed|refused|says? (?:yes|no|ok)"
    r"|do(?:es)? not (?:approve|agree)|don['’]?t (?:approve|agree)|(?:dis)?agrees?))\s+"
    r"(?P<act>\w.+)$",
    _FLAGS,
)
_TALK = re.compile(r"^(?:you(?:'re|'d|'ve)?|your|working|using|building|needed|we)\b", _FLAGS)
_IF_END = re.compile(
    r"\s*(?:[,，:：]\s*(?:then\s+|则|就|便|那么)?|\s+then\s+"
    r"|(?:的话|时|的时候)?[,，]?\s*(?:则|就|那么|便)(?!是))"
)


_SO_THEN = re.compile(
    r"^\s*(?:的话|的时候|时候?|之?后)?\s*[,，:：]?\s*(?:then\b|则|就|便|那么?)?\s*"
)


def split(plain: str, text: Text) -> list[Clause]:
    """Cut a request, its trigger set aside, into clauses."""
    clauses: list[Clause] = []
    for link, piece in _pieces(plain):
        clauses.extend(_read(link, piece, text))
    return _answer_checks(_join_conditions(clauses), text)


def _pieces(plain: str) -> list[tuple[Link, str]]:
    pieces: list[tuple[Link, str]] = [("sentence", plain)]
    for link, pattern in _CUTS:
        cut: list[tuple[Link, str]] = []
        for before, piece in pieces:
            parts = pattern.split(piece)
            cut.append((before, parts[0]))
            cut.extend((link, part) for part in parts[1:])
        pieces = _without_empty(cut)
    return pieces


def _without_empty(pieces: list[tuple[Link, str]]) -> list[tuple[Link, str]]:
    """Drop what is empty; its link goes to what follows, the stronger one first."""
    kept: list[tuple[Link, str]] = []
    pending: Link | None = None
    for link, piece in pieces:
        if not piece.strip(" ,，:："):
            pending = pending or link
            continue
        stronger = "sentence" if pending == "sentence" and link == "and" else link
        kept.append((stronger, piece.strip(" \n,，").strip()))
        pending = None
    return kept


def _read(link: Link, piece: str, text: Text) -> list[Clause]:
    """The clauses of one piece: an `else`, a condition, what is to be done."""
    bare = _LEADING.sub("", piece, count=1).strip() or piece.strip()
    if found := _ELSE_START.match(bare):
        rest = bare[found.end() :]
        return [Clause("else", link), *(_read("and", rest, text) if rest else [])]
    if found := _IF_START.match(bare):
        return _read_if(link, found["word"].lower(), bare[found.end() :], text)
    if found := _TROUBLE_START.match(bare):
        condition = Clause("if", link, found["outcome"].strip(" ,:").split()[-1])
        return [condition, *(_read("and", found["act"], text) if found["act"].strip() else [])]
    for words in (piece, bare):
        if read_check(words, text):
            return [Clause("check", link, words)]
    return _read_trailing(link, bare, text)


def _read_trailing(link: Link, bare: str, text: Text) -> list[Clause]:
    """`send it if …`, `异常时问我`: what is to be done with its condition in the same breath."""
    found = _TRAILING_IF.match(bare)
    if found and not _only_names(found["cond"]) and not _TALK.match(found["cond"]):
        negated = found["word"].lower() == "unless"
        if (parts := split_condition(found["cond"], text)) and parts[1]:
            act = Clause("do", link, found["act"])
            return [act, *_read_if("and", found["word"].lower(), found["cond"], text)]
        condition = Clause("if", link, found["cond"], only=True, negated=negated)
        return [condition, Clause("do", "and", found["act"])]
    found = _HAN_TRAILING.match(bare)
    if found and (_is_stated(found["cond"], text)):
        return [Clause("if", link, found["cond"]), *_read("and", found["act"], text)]
    return [Clause("do", link, bare)]


def _is_stated(words: str, text: Text) -> bool:
    """Whether some words are a condition by themselves, without `if` before them."""
    if read_outcome(words, text) is not None:
        return True
    parts = split_condition(words, text)
    return parts is not None and not parts[1]


def _only_names(words: str) -> bool:
    """`send it when done` states no condition."""
    return bool(re.match(r"^(?:done|finished|ready|possible|needed|necessary)\b", words, _FLAGS))


def _read_if(link: Link, word: str, rest: str, text: Text) -> list[Clause]:
    negated = word in ("unless", "除非")
    if outcome := find_outcome(rest, text):
        condition = rest[: outcome.end]
        act = _SO_THEN.sub("", rest[outcome.end :], count=1)
    elif found := _IF_END.search(rest):
        condition, act = rest[: found.start()], rest[found.end() :]
    elif (parts := split_condition(rest, text)) and _MORE.match(parts[1]) is None and parts[1]:
        condition, act = rest[: len(rest) - len(parts[1])], parts[1]
    else:
        condition, act = _before_action(rest)
    if _TALK.match(condition):
        return _read(link, act, text) if act.strip() else []
    clauses = [Clause("if", link, condition.strip(), negated=negated)]
    return [*clauses, *(_read("and", act, text) if act.strip() else [])]


def _before_action(words: str) -> tuple[str, str]:
    """A condition and what follows it, told apart only by the verb: `it fails send …`."""
    if parts := split_condition_words(words):
        return parts
    for found in _ACTION.finditer(words):
        before = words[: found.start()].split()
        if len(before) >= 2 and before[-1].lower() not in _BEFORE_NOUNS:
            return words[: found.start()], words[found.end() :]
    return words, ""


def split_condition_words(words: str) -> tuple[str, str] | None:
    """`approved reply with yes`: a word of consent is a condition by itself."""
    found = _CONSENT.match(words)
    return (found["condition"], found["act"]) if found else None


def _join_conditions(clauses: list[Clause]) -> list[Clause]:
    """A condition that nothing follows belongs to what was before it: `send it, if not`."""
    joined: list[Clause] = []
    for place, clause in enumerate(clauses):
        following = clauses[place + 1] if place + 1 < len(clauses) else None
        last = following is None or following.link == "sentence"
        alone = clause.role in ("if", "else") and last
        if alone and joined and joined[-1].role == "do" and clause.link != "sentence":
            action = joined.pop()
            joined.append(replace(clause, link=action.link, only=True))
            joined.append(replace(action, link="and"))
        else:
            joined.append(clause)
    return joined


def _answer_checks(clauses: list[Clause], text: Text) -> list[Clause]:
    """Turn each `check` into the condition of what answers it, or into something to do."""
    made: list[Clause] = []
    for place, clause in enumerate(clauses):
        if clause.role != "check":
            made.append(clause)
            continue
        check = read_check(clause.plain, text)
        asked = check.asked if check else clause.plain
        following = clauses[place + 1] if place + 1 < len(clauses) else None
        so = answers_so(following.plain) if following and following.role == "if" else None
        if following is not None and so is not None:
            negated = clause.negated != (not so)
            clauses[place + 1] = replace(following, plain=asked, link=clause.link, negated=negated)
        elif (check and check.address) and not (following and following.role == "else"):
            made.append(replace(clause, role="do"))
        else:
            made.append(replace(clause, role="if", plain=asked))
    return made

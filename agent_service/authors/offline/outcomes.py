"""How what was done just before went: `it is down`, `is not ok`, `returns a 5xx`, 状态不正常.

Whether a request, a script or nothing at all was done there is for the composer to see. A number
is compared with the HTTP status; every other word is an `Outcome`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent_service.authors.offline.reading import Comparison, FieldOf, Outcome
from agent_service.authors.offline.text import LITERAL, Text
from agent_service.authors.offline.verbs import ACTION_START, HAN_ACTION

STATUS = FieldOf("status")


@dataclass(frozen=True, slots=True)
class OutcomeFound:
    """What is said of how it went, and where in the clause that ends."""

    test: Outcome | Comparison
    end: int


def _one_of(*words: str) -> str:
    return f"(?:{'|'.join(words)})"


# --- in English

_THING = _one_of(
    "requests?", "calls?", "checks?", "api", "response", "answer", "reply", "result", "server",
    "(?:web ?)?site", "(?:web ?)?page", "service", "endpoint", "host", "url", "link", "address",
    "app", "system", "health(?: check)?", "ping", "fetch(?:ing)?",
    "(?:(?:http|response|return)[ -])?(?:status|code)(?:[ -]code)?",
)  # fmt: skip
_SUBJECT = (
    r"(?:(?:(?:the|its?|that|this|our|my|any) )?"
    rf"(?:(?:http|web|api|get|post|first) )?{_THING}(?: (?:of|from|at|to) (?:the )?{LITERAL})?|it"
    rf"|that|this|they|everything|anything|something|(?:the )?{LITERAL})"
)
_GOOD = _one_of(
    "ok(?:ay)?", "fine", "up(?: and running)?", "online", "healthy", "available", "reachable",
    "accessible", "good", "working", "alive", "success(?:ful)?", "responding", "responsive",
    "normal", "running", "all ?right", "as expected", "correct",
)  # fmt: skip
_BAD = _one_of(
    "down", "offline", "unreachable", "unavailable", "inaccessible", "unhealthy", "broken",
    "abnormal", "dead", "failing", "erroring", "wrong", "bad", "faulty", "unresponsive",
    "unsuccessful", "timing out", "amiss",
)  # fmt: skip
_IS = r"(?:\s+(?:is|are|was|were|comes? back|looks?|seems?|turns out(?: to be)?)|['’]s|['’]re)"
_IS_NOT = rf"(?:{_IS} (?:not|no longer|anything but)|\s+(?:isn|aren|wasn|weren)['’]?t)"
_STILL = r"(?:\s+(?:currently|still|ever|really|fully|all|always|completely|now))*"
_DO_NOT = r"(?:does not|doesn['’]?t|did not|didn['’]?t|do not|don['’]?t|no longer|never)"
_CANNOT = r"(?:cannot|can['’]?t|can not|could not|couldn['’]?t|won['’]?t|will not)"
_GOES_WELL = _one_of(
    "works?", "worked", "succeeds?", "succeeded", "responds?", "responded", "answers?", "answered",
    "loads?", "loaded", "pass(?:es|ed)?", "goes (?:well|through)", "replies", "reply",
)  # fmt: skip
_GOES_WRONG = _one_of(
    "fails?", "failed", "(?:has|have) failed", "errors?(?: out)?", "errored", "breaks?", "broke",
    "times? out", "timed out", "crash(?:es|ed)?", "(?:goes|go|went) (?:down|offline|wrong|bad)",
    "(?:has|have) gone (?:down|offline|wrong)",
)  # fmt: skip
_TROUBLE = (
    r"(?:(?:http|server|client|network|connection|any)\s+)*"
    r"(?:errors?|failures?|problems?|issues?|exceptions?|outages?|trouble|time-?outs?)"
    r"(?:\s+(?:status|code|response|message|page|occurs?|happens?))*"
)
_GIVES = _one_of(
    "returns?", "returned", "gives?(?: back)?", "answers?(?: with)?", "answered(?: with)?",
    "responds?(?: with)?", "responded(?: with)?", "repl(?:y|ies) with", "throws?", "produces?",
    "reports?", "shows?", "has", "have", "had", "gets?", "yields?", "comes? back (?:with|as)",
)  # fmt: skip
_A = r"(?:\s+(?:an?|the|any|some|with|http|status|code|exactly|of))*"
_NUMBER = r"\s*(?P<number>[1-5]\d\d|[1-5]xx)(?:s|\s+(?:ok|error|response|status|code))?"
_OTHER = r"\s+(?:anything|something|a (?:status|code)|other)?\s*(?:other than|but|except|else than)"

# --- in Chinese

_HAN_THING = _one_of(
    "它", "其", "接口", "请求", "网站", "网页", "页面", "服务器?", "站点", "系统", "健康检查",
    "检查(?:结果)?", "结果", "调用", "访问", "地址", "链接", "响应", "返回(?:值|结果)?", "应用",
)  # fmt: skip
_HAN_SUBJECT = (
    rf"(?:该|这个?|那个?)?(?:{_HAN_THING}|{LITERAL})?\s*的?\s*(?:(?:HTTP ?|返回的?"
    r"|响应的?)?(?:状态|状态码|返回码|响应码|代码|code|status))?"
)
_HAN_GOOD = r"(?:正常|ok|可用|可达|可访问|健康|成功|在线|没有?问题|没事|良好|通过|通畅|无异常)"
_HAN_BAD = _one_of(
    "异常", "失败", "出错", "报错", "有错误?", "错误", "挂了", "挂掉", "挂", "宕机", "down",
    "故障", "有(?:问题|异常|故障)", "打不开", "访问不(?:了|到|通)", "连不上", "连接不上",
    "无法(?:访问|连接|打开)", "(?:无|没有?)(?:响应|反应|应答|返回)", "超时", "离线", "不可用",
    "返回(?:错误|异常)", "出(?:现|了)?(?:问题|错误|异常|故障)", "发生(?:错误|异常|故障)", "不通",
    "失效", "崩溃", "崩了",
)  # fmt: skip
_HAN_NOT = r"(?:不太?|不是|没有?|并不|不再|未|不为)"
_HAN_NUMBER = r"\s*(?P<number>[1-5]\d\d|[1-5]xx)"
_HAN_IS = r"(?:返回(?:了|的是)?|是|为|等于|==?|响应为?)"
_HAN_IS_NOT = r"(?:(?:不是|不等于|不为|非|!=|≠|不返回|(?:没有?|未)返回|返回的?(?:不是|非)))"


def _well(found: "re.Match[str]") -> Outcome:
    return Outcome(well=True, state=_state(found))


def _ill(found: "re.Match[str]") -> Outcome:
    groups = found.groupdict()
    # `not ok` is the other side of the word that was said, `down` is the word itself.
    if groups.get("unlike"):
        return Outcome(well=False, state=groups["unlike"].lower(), opposite=True)
    return Outcome(well=False, state=_state(found))


def _state(found: "re.Match[str]") -> str:
    return (found.groupdict().get("state") or "").lower()


def _is_number(found: "re.Match[str]") -> Comparison:
    number = found["number"].lower()
    if number.endswith("xx"):
        return Comparison(STATUS, "string", "regex", f"^{number[0]}")
    return Comparison(STATUS, "number", "equals", int(number))


def _is_no_number(found: "re.Match[str]") -> Comparison:
    number = found["number"].lower()
    if number.endswith("xx"):
        return Comparison(STATUS, "string", "not_regex", f"^{number[0]}")
    return Comparison(STATUS, "number", "not_equals", int(number))


_RULES: tuple[tuple[str, Callable[["re.Match[str]"], Outcome | Comparison]], ...] = (
    (rf"{_SUBJECT}(?:{_IS})(?:\s+(?:an?|in))?{_NUMBER}", _is_number),
    (rf"{_SUBJECT}\s+{_GIVES}{_A}{_NUMBER}", _is_number),
    (rf"{_SUBJECT}{_IS_NOT}(?:\s+(?:an?|in))?{_NUMBER}", _is_no_number),
    (rf"{_SUBJECT}\s+{_DO_NOT} {_GIVES}{_A}{_NUMBER}", _is_no_number),
    (rf"{_SUBJECT}(?:{_IS}|\s+{_GIVES}){_OTHER}{_A}{_NUMBER}", _is_no_number),
    (rf"{_SUBJECT}(?:{_IS}|\s+{_GIVES})(?:\s+an?)?\s+non-?{_NUMBER}", _is_no_number),
    (rf"{_SUBJECT}{_IS_NOT}{_STILL}\s+(?:an? )?(?P<unlike>{_GOOD})", _ill),
    (rf"{_SUBJECT}{_IS_NOT}{_STILL}\s+(?:an? )?{_BAD}", _well),
    (rf"{_SUBJECT}{_IS}{_STILL}\s+(?:an? )?(?P<state>{_GOOD})", _well),
    (rf"{_SUBJECT}{_IS}{_STILL}\s+(?:an? )?(?P<state>{_BAD})", _ill),
    (rf"(?:are |is )?not\s+(?P<unlike>{_GOOD})", _ill),
    (rf"(?P<state>{_GOOD})", _well),
    (rf"{_SUBJECT}\s+{_DO_NOT} {_GOES_WRONG}", _well),
    (rf"{_SUBJECT}\s+{_DO_NOT} {_GOES_WELL}(?: ok(?:ay)?| correctly| properly| at all)?", _ill),
    (rf"{_SUBJECT}\s+{_DO_NOT} {_GIVES}{_A}\s+{_TROUBLE}", _well),
    (rf"{_SUBJECT}\s+{_DO_NOT} {_GIVES}{_A}\s+(?P<unlike>{_GOOD})", _ill),
    (rf"{_SUBJECT}\s+{_CANNOT} (?:be )?\w+(?:ed)?", _ill),
    (rf"{_SUBJECT}\s+{_GOES_WRONG}", _ill),
    (rf"{_SUBJECT}\s+{_GOES_WELL}(?: ok(?:ay)?| correctly| properly)?", _well),
    (rf"{_SUBJECT}(?:{_IS}|\s+{_GIVES}){_A}\s+{_TROUBLE}", _ill),
    (rf"{_SUBJECT}\s+{_GIVES}{_A}\s+(?P<state>{_GOOD})", _well),
    (rf"there(?: is| are| was|['’]s)(?:\s+an?)?\s+{_TROUBLE}", _ill),
    (rf"(?:an? )?{_TROUBLE}", _ill),
    (rf"{_HAN_SUBJECT}\s*{_HAN_IS_NOT}{_HAN_NUMBER}", _is_no_number),
    (rf"{_HAN_SUBJECT}\s*{_HAN_IS}{_HAN_NUMBER}", _is_number),
    (rf"{_HAN_SUBJECT}\s*{_HAN_NOT}\s*(?P<unlike>{_HAN_GOOD})", _ill),
    (rf"{_HAN_SUBJECT}\s*(?:是|为|一切|显示)?\s*(?P<state>{_HAN_GOOD})", _well),
    (rf"{_HAN_SUBJECT}\s*{_HAN_NOT}{_HAN_BAD}", _well),
    (rf"{_HAN_SUBJECT}\s*(?:是|为|显示)?\s*(?P<state>{_HAN_BAD})了?", _ill),
)
_PATTERNS = tuple((re.compile(words, re.IGNORECASE), make) for words, make in _RULES)
HAN_OUTCOME = (
    rf"(?:{_HAN_SUBJECT}\s*(?:(?:{_HAN_NOT}"
    rf"|是|为)?\s*(?:{_HAN_GOOD}|{_HAN_BAD})|(?:{_HAN_IS_NOT}|{_HAN_IS})\s*[1-5](?:\d\d|xx)))"
)
"""A regular expression for how it went, in Chinese."""

_FOLLOWS = re.compile(
    r"\s*(?:$|[,，:：]|的话|的时候|时|之后|后|就|则|便|那么?)|\s+(?:then|please)\b"
    rf"|\s+(?={ACTION_START})|\s*(?={HAN_ACTION})",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s+(?:and|or)\b|并且|而且|且|或者?", re.IGNORECASE)


def read_outcome(clause: str, text: Text) -> Outcome | Comparison | None:
    """How it went, if a whole clause says just that."""
    found = _find(clause, text, whole=True)
    return found.test if found else None


def find_outcome(clause: str, text: Text) -> OutcomeFound | None:
    """How it went, if that is what a clause begins with and something to do follows."""
    found = _find(clause, text, whole=False)
    if found is None or _JOINED.match(clause, found.end):
        return None
    return found if _FOLLOWS.match(clause, found.end) else None


def _find(clause: str, text: Text, *, whole: bool) -> OutcomeFound | None:
    best: OutcomeFound | None = None
    for pattern, make in _PATTERNS:
        found = pattern.fullmatch(clause) if whole else pattern.match(clause)
        if found is None or _names_a_field(found.group(), text):
            continue
        if (
            not whole
            and re.match(r"[\w-]", clause[found.end() :])
            and clause[found.end() - 1].isascii()
        ):
            continue
        if best is None or found.end() > best.end:
            best = OutcomeFound(make(found), found.end())
    return best


def _names_a_field(words: str, text: Text) -> bool:
    """Whether something other than an address is quoted: that is a field, not a request."""
    return len(text.literals(words)) > len(text.literals(words, "url"))

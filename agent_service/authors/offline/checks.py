"""`check whether … is up`: something is looked at, and `if so`, `if not`, `otherwise` answer it.

A check becomes the condition of what answers it. A check of an address that nothing answers is a
mere request.
"""

import re
from dataclasses import dataclass

from agent_service.authors.offline.conditions import read_condition
from agent_service.authors.offline.outcomes import read_outcome
from agent_service.authors.offline.reading import Judgement, Unread
from agent_service.authors.offline.text import LITERAL, Text

_FLAGS = re.IGNORECASE
_CHECK = re.compile(
    r"^(?:check|verif(?:y|ies)|see|test|ensure|make sure|find out|look|determine|decide|confirm"
    r"|watch|monitor|ping)(?:s|es)?\s+(?P<whether>if|whether|that)?\s*(?P<asked>.+)$",
    _FLAGS,
)
_HAN_CHECK = re.compile(
    r"^(?:检查|确认|看看|看一下|查看|判断|检测|监控|监测|确保|测试|访问)(?:一下)?[:：]?\s*"
    r"(?P<before>.*?)\s*(?P<whether>是否|能否|是不是|有没有|可否)\s*(?P<after>[^,，]+)$",
    _FLAGS,
)
_AT = re.compile(rf"^(?:at |on |for )?(?=(?:the )?{LITERAL})", _FLAGS)
_SO = re.compile(
    r"^(?:so|yes|true|it is|it does|they are|(?:that|this)(?: is|['’]s) (?:the case|true|so)|是的?"
    r"|成立|有)$",
    _FLAGS,
)
_NOT_SO = re.compile(
    r"^(?:not|no|false|it(?: is|['’]s) not|it isn['’]t|it does(?: not|n['’]t)"
    r"|(?:that|this)(?: is|['’]s) not (?:the case|true|so)|不是|不成立|没有|否)$",
    _FLAGS,
)


@dataclass(frozen=True, slots=True)
class Check:
    """What a clause wants to know; `address` if it is about how an address answers."""

    asked: str
    address: bool


def read_check(plain: str, text: Text) -> Check | None:
    """`check whether the amount is over 100`, `make sure https://… is up`, 判断金额是否大于100."""
    asked, explicit = _asked(plain)
    if not asked:
        return None
    if text.literal(asked, "url") and read_outcome(asked, text) is not None:
        return Check(asked, address=True)
    known = read_condition(asked, text).tests
    certain = not any(isinstance(test, Judgement | Unread) for test in known)
    stated = re.search(r"\b(?:is|are|has|have|was|exceeds?|contains?)\b|[<>=]", asked, _FLAGS)
    return Check(asked, address=False) if explicit or (certain and stated) else None


def _asked(plain: str) -> tuple[str, bool]:
    """The condition that a check asks for, and whether it is said to be one."""
    if found := _HAN_CHECK.match(plain):
        return f"{found['before']}{found['after']}".strip(), True
    found = _CHECK.match(plain)
    if found is None:
        return "", False
    whether = (found["whether"] or "").lower()
    return _AT.sub("", found["asked"].strip()), whether in ("if", "whether")


def answers_so(condition: str) -> bool | None:
    """Whether a condition merely says `so` (True) or `not` (False)."""
    words = condition.strip(" ,，.。")
    if _SO.match(words):
        return True
    return False if _NOT_SO.match(words) else None

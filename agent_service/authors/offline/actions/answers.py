"""Whoever called is answered."""

import re

from agent_service.authors.offline.reading import Answer, Constant, Source, Step
from agent_service.authors.offline.text import Text
from agent_service.authors.offline.values import read_payload, read_what

_ANSWER = re.compile(
    r"^(?:then )?(?:reply|replies|respond|responds|return|returns|answer|answers"
    r"|send (?:it |this |that |the \w+ )?back|sends back|give back|output|outputs|echo(?:es)?)\b"
    r"(?:\s+(?:back|instantly|immediately))?(?:\s+(?:to|the|for)\s+(?:the |a )?(?:caller|client"
    r"|webhook|request|requester|sender|user))?(?:\s+(?:back|by|with|using))*\s*(?P<what>.*)$",
    re.IGNORECASE,
)
_HAN = re.compile(
    r"^(?:直接|并|再)?(?:把|将)?(?P<before>.*?)(?:回复|返回|响应|应答|回应|输出)(?:给|到)?"
    r"(?:调用方|客户端|请求方|用户|对方)?(?P<what>.*)$"
)
_STATUS = re.compile(
    r"\b(?:status|code|http|with|a|an)\s+(?:status |code )*(?P<status>[1-5]\d\d)\b"
    r"|\b(?P<bare>[1-5]\d\d)(?: ok| created| accepted| error| response)?$"
    r"|状态码?\s*(?P<han>[1-5]\d\d)",
    re.IGNORECASE,
)
_NOT_DATA = re.compile(
    r"^(?:ok|okay|success|done|yes|no|true|false|thanks?(?: you)?|accepted|received)$",
    re.IGNORECASE,
)


def read_answer(plain: str, text: Text) -> Step | None:
    """`reply with the result`, `return 404`, 返回结果."""
    found = _ANSWER.match(plain) or _HAN.match(plain)
    if found is None:
        return None
    what = (found["what"] or "").strip() or (found.groupdict().get("before") or "")
    status = _STATUS.search(what)
    if status:
        what = (what[: status.start()] + what[status.end() :]).strip()
        what = re.sub(r"^(?:and|with|a|an|the|of|,)\s+|\s+(?:and|with|a|an)$", "", what)
    code = next((int(one) for one in status.groups() if one), None) if status else None
    phrase = text.restore(plain)
    if not what.strip(" .,，。"):
        return Answer(phrase, Constant(None) if code else Source.SUBJECT, code)
    if _NOT_DATA.match(what.strip(" .")):
        return Answer(phrase, Constant(what.strip(" .")), code)
    said = read_what(what, text) or read_payload(what, text)
    return Answer(phrase, Source.SUBJECT if said is None else said, code)

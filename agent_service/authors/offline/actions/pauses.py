"""Time passes."""

import re

from agent_service.authors.offline.numerals import HAN_NUMBER, NUMBER, to_int
from agent_service.authors.offline.reading import Pause, Step
from agent_service.authors.offline.text import Text

_SECONDS = {
    "second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "hr": 3600,
    "h": 3600, "day": 86_400, "week": 604_800, "秒": 1, "分钟": 60, "分": 60, "小时": 3600,
    "钟头": 3600, "天": 86_400, "日": 86_400, "周": 604_800,
}  # fmt: skip
_UNIT = "|".join(sorted(_SECONDS, key=len, reverse=True))
_SPAN = (
    rf"(?P<count>{NUMBER}|half an?|\d+\.\d+)?\s*-?"
    r"(?P<unit>second|sec|minute|min|hour|hr|day|week)s?\b"
)
_PAUSE = re.compile(
    r"^(?:wait|waits|pause|pauses|sleep|sleeps|delay|delays|hold(?: on| off)?|sit)(?:\s+"
    r"(?:it|the \w+|everything))?(?:\s+(?:for|by|about|at least|another|between \w+ \w+ by))*\s+"
    rf"(?:a |an )?{_SPAN}|\b(?:with|after|add) (?:a |an )?"
    rf"(?:delay|wait|pause) of {_SPAN.replace('count', 'count2').replace('unit', 'unit2')}",
    re.IGNORECASE,
)
_HAN = re.compile(
    rf"(?:等待?|暂停|延迟|延时|休眠|停)\s*(?P<count>\d+|{HAN_NUMBER}"
    r"|半)?\s*个?(?P<unit>秒|分钟|分|小时|钟头|天|日|周)"
)
_VAGUE = re.compile(
    r"^(?:wait|pause|sleep|delay)s?(?: a (?:moment|bit|while|little))?$|^等待?一?(?:会儿?|下)$",
    re.I,
)
_VAGUE_SECONDS = 60


def read_pause(plain: str, text: Text) -> Step | None:
    """`wait for 10 minutes`, 等待十分钟."""
    phrase = text.restore(plain)
    if _VAGUE.match(plain):
        return Pause(phrase, _VAGUE_SECONDS)
    found = _PAUSE.search(plain) or _HAN.search(plain)
    if found is None:
        return None
    groups = found.groupdict()
    count = groups["count"] or groups.get("count2") or "1"
    unit = (groups["unit"] or groups.get("unit2") or "minute").lower()
    number = _count(count)
    return None if number is None else Pause(phrase, number * _SECONDS[unit])


def _count(said: str) -> float | None:
    if said.lower().startswith("half") or said == "半":
        return 0.5
    if re.fullmatch(r"\d+\.\d+", said):
        return float(said)
    return to_int(said)

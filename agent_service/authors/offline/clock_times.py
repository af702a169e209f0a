"""Times of day as people say them: `9`, `9:30 pm`, `noon`, `half past nine`, 下午三点半."""

import re
from dataclasses import dataclass

from agent_service.authors.offline.numerals import HAN_NUMBER, to_int

_WORD_HOURS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_PART = r"(?:\s*(?P<part>in the (?:morning|afternoon|evening)|at night))?"
_CLOCK = (
    r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2})(?::\d{2})?)?\s*"
    rf"(?P<half>[ap]\.?m\.?\b|o'?clock\b)?{_PART}"
)
_AT = re.compile(
    rf"(?:\bat|\b@|\baround|\bby|\bfrom|,|\band|&|\bto|/)\s*{_CLOCK}(?![\d%])", re.IGNORECASE
)
_BARE = re.compile(
    r"(?<![\d.:/-])(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\.?)(?!\w)"
    r"|(?<![\d.:/-])(?P<hour2>[01]?\d|2[0-3])[:h](?P<minute2>[0-5]\d)(?![\d:])",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:at |by )?(?P<name>noon|midday|midnight)\b", re.IGNORECASE)
_PAST = re.compile(
    rf"\b(?:at )?(?P<what>half past|quarter past|quarter to) (?P<hour>\d{{1,2}}|{_WORD_HOURS})"
    r"(?:\s*(?P<half>[ap]\.?m\.?))?",
    re.IGNORECASE,
)
_WORDED = re.compile(
    rf"\bat (?P<hour>{_WORD_HOURS})(?:[- ](?P<minute>fifteen|thirty|forty-five))?"
    rf"(?:\s*(?P<half>[ap]\.?m\.?|o'?clock))?{_PART}\b",
    re.IGNORECASE,
)
_HAN_PART = r"凌晨|清晨|早晨|早上|上午|中午|午后|下午|傍晚|晚上|夜里|半夜|早|晚"
_HAN = re.compile(
    rf"(?P<part>{_HAN_PART})?\s*(?P<hour>\d{{1,2}}|{HAN_NUMBER})\s*(?:点钟?"
    rf"|时|[:：])(?!间)(?P<minute>半|一刻|三刻|整|\d{{1,2}}|{HAN_NUMBER})?(?:分)?"
)
_HAN_NAMED = re.compile(r"(正午|午夜|零点)")
_MINUTES = {"half past": 30, "quarter past": 15, "quarter to": -15}
_WORD_MINUTES = {"fifteen": 15, "thirty": 30, "forty-five": 45}
_AFTERNOON = ("in the afternoon", "in the evening", "at night")

PARTS_OF_DAY = {
    "morning": "09:00", "afternoon": "15:00", "evening": "18:00", "night": "22:00",
    "早上": "09:00", "早晨": "09:00", "上午": "09:00", "清晨": "07:00", "早": "09:00",
    "中午": "12:00", "下午": "15:00", "午后": "15:00", "傍晚": "18:00", "晚上": "20:00",
    "晚": "20:00", "夜里": "22:00", "凌晨": "03:00", "半夜": "00:00",
}  # fmt: skip
"""What is assumed for a part of the day without an hour."""


@dataclass(frozen=True, slots=True)
class TimeFound:
    """A time of day as `HH:MM`, and where in the text it was said."""

    at: str
    start: int
    end: int


def find_times(plain: str, *, bare: bool = True) -> list[TimeFound]:
    """Every time of day in a text, in order; `bare` takes `9:30` and `9am` without `at` too."""
    found: list[TimeFound] = []
    for pattern in (_PAST, _AT, _WORDED, _NAMED, *((_BARE,) if bare else ()), _HAN, _HAN_NAMED):
        for match in pattern.finditer(plain):
            at = _time_of(match)
            free = all(match.end() <= one.start or match.start() >= one.end for one in found)
            if at and free:
                found.append(TimeFound(at, *match.span()))
    return _only_said_as_times(plain, sorted(found, key=lambda one: one.start))


def _only_said_as_times(plain: str, found: list[TimeFound]) -> list[TimeFound]:
    """Without numbers that merely follow a comma or `and`, unless a time comes right before."""
    kept: list[TimeFound] = []
    for one in found:
        joined = re.match(r"(?:,|and|&|to|/)", plain[one.start : one.end], re.IGNORECASE)
        follows = kept and not plain[kept[-1].end : one.start].strip()
        clear = re.search(r"[:]\d|[ap]\.?m", plain[one.start : one.end], re.IGNORECASE)
        if not joined or follows or clear:
            kept.append(one)
    return kept


def _time_of(match: "re.Match[str]") -> str | None:
    groups = match.groupdict()
    if name := groups.get("name"):
        return "00:00" if name.lower() == "midnight" else "12:00"
    if match.re is _HAN_NAMED:
        return "12:00" if match.group(1) == "正午" else "00:00"
    if match.re is _HAN:
        return _han_time(groups)
    hour = to_int(groups.get("hour") or groups.get("hour2") or "")
    text = groups.get("minute") or groups.get("minute2") or "0"
    minute = _WORD_MINUTES.get(text.lower(), to_int(text) or 0)
    if hour is None:
        return None
    minutes = hour * 60 + minute + _MINUTES.get((groups.get("what") or "").lower(), 0)
    half = (groups.get("half") or "").lower().replace(".", "")
    return _clock(minutes, half, (groups.get("part") or "").lower())


def _clock(minutes: int, half: str, part: str) -> str | None:
    if half == "am" and minutes // 60 == 12:
        minutes -= 12 * 60
    if (half == "pm" or part in _AFTERNOON) and minutes // 60 < 12:
        minutes += 12 * 60
    if not 0 <= minutes < 24 * 60:
        return None
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _han_time(groups: dict[str, str | None]) -> str | None:
    hour = to_int(groups["hour"] or "")
    if hour is None:
        return None
    text = groups["minute"] or ""
    minute = {"半": 30, "一刻": 15, "三刻": 45, "整": 0, "": 0}.get(text)
    minute = to_int(text) or 0 if minute is None else minute
    part = groups["part"] or ""
    if part in ("下午", "午后", "傍晚", "晚上", "晚", "夜里") and hour < 12:
        hour += 12
    if part == "中午" and hour < 3:
        hour += 12
    if part in ("凌晨", "半夜") and hour == 12:
        hour = 0
    if not (0 <= hour < 24 and 0 <= minute < 60):
        return None
    return f"{hour:02}:{minute:02}"

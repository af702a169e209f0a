"""Rhythms without their time of day, as people say them: `every other week on Tuesday`, 每月1号.

`READERS` is tried in order; a rhythm is a rule of `trigger.schedule`, in which a cron expression
still has `{minute}` and `{hour}` in it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent_service.authors.offline.clock_times import PARTS_OF_DAY
from agent_service.authors.offline.days import (
    DAY_NAMES,
    DAYS,
    HAN_DAYS,
    MONTHS,
    WEEKEND,
    WORKING_DAYS,
    days_in,
)
from agent_service.authors.offline.numerals import HAN_NUMBER, NUMBER, to_int
from shared.workflow import JsonObject

_FLAGS = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A rule; `timed` when it needs a time of day, `part` is a part of the day that it names."""

    rule: JsonObject
    timed: bool = True
    part: str = ""


Reader = Callable[["re.Match[str]"], Rhythm | None]

_EACH = r"(?:every|each|per|once (?:a|an|every|per))"
_UNITS = {
    "second": "seconds", "sec": "seconds", "minute": "minutes", "min": "minutes",
    "hour": "hours", "hr": "hours", "day": "days", "week": "weeks", "month": "months",
    "秒": "seconds", "分钟": "minutes", "分": "minutes", "小时": "hours", "钟头": "hours",
    "天": "days", "日": "days", "周": "weeks", "星期": "weeks", "月": "months",
}  # fmt: skip
_ADVERBS = {
    "hourly": {"every": 1, "unit": "hours"},
    "daily": {"unit": "days"},
    "nightly": {"unit": "days"},
    "weekly": {"unit": "weeks", "weekdays": ["monday"]},
    "biweekly": {"every": 2, "unit": "weeks", "weekdays": ["monday"]},
    "bi-weekly": {"every": 2, "unit": "weeks", "weekdays": ["monday"]},
    "fortnightly": {"every": 2, "unit": "weeks", "weekdays": ["monday"]},
    "monthly": {"unit": "months"},
    "quarterly": {"cron": "{minute} {hour} 1 */3 *"},
    "yearly": {"cron": "{minute} {hour} 1 1 *"},
    "annually": {"cron": "{minute} {hour} 1 1 *"},
}
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4,
             "4th": 4}  # fmt: skip
_PART_WORDS = "|".join(PARTS_OF_DAY)


def _interval(found: "re.Match[str]") -> Rhythm | None:
    unit = _UNITS[found["unit"].lower()]
    said = (found["count"] or "1").lower()
    if said in ("half", "half a", "half an", "半", "半个"):
        halves = {"hours": (30, "minutes"), "minutes": (30, "seconds"), "days": (12, "hours")}
        every, unit = halves.get(unit, (1, unit))
    elif said in ("other", "second"):
        every = 2
    else:
        every = to_int(said) or 1
    rule: JsonObject = {"every": every, "unit": unit}
    if unit == "weeks":
        rule["weekdays"] = ["monday"]
    if unit in ("days", "weeks", "months") and every == 1:
        del rule["every"]
    part = _part_in(found.group())
    return Rhythm(rule, timed=unit in ("days", "weeks", "months"), part=part)


def _weekly(found: "re.Match[str]") -> Rhythm | None:
    days = days_in(found.group())
    if not days:
        return None
    other = re.search(
        r"\b(?:other|second|two weeks|2 weeks|bi-?weekly)\b|每两周|隔周", found.group()
    )
    every = {"every": 2} if other else {}
    return Rhythm({**every, "unit": "weeks", "weekdays": days}, part=_part_in(found.group()))


def _working_days(found: "re.Match[str]") -> Rhythm:
    days = {"unit": "weeks", "weekdays": list(WORKING_DAYS)}
    return Rhythm(days, part=_part_in(found.group()))


def _weekend(found: "re.Match[str]") -> Rhythm:
    return Rhythm({"unit": "weeks", "weekdays": list(WEEKEND)}, part=_part_in(found.group()))


def _daily(found: "re.Match[str]") -> Rhythm:
    return Rhythm({"unit": "days"}, part=_part_in(found.group()))


def _month_day(found: "re.Match[str]") -> Rhythm | None:
    said = next(text for text in found.groups() if text)
    if re.fullmatch(r"last|end|最后一|底|末", said, _FLAGS):
        return Rhythm({"unit": "months", "day_of_month": 31})
    day = 1 if re.fullmatch(r"first|start|beginning|第一|初", said, _FLAGS) else to_int(said)
    if day is None or not 1 <= day <= 31:
        return None
    return Rhythm({"unit": "months", "day_of_month": day})


def _nth_weekday(found: "re.Match[str]") -> Rhythm:
    day = (DAYS.index(DAY_NAMES[found["day"].lower()[:3]]) + 1) % 7
    if found["which"].lower() == "last":
        return Rhythm({"cron": f"{{minute}} {{hour}} * * L{day}"})
    return Rhythm({"cron": f"{{minute}} {{hour}} * * {day}#{_ORDINALS[found['which'].lower()]}"})


def _on_date(found: "re.Match[str]") -> Rhythm | None:
    groups = found.groupdict()
    month = MONTHS.get((groups["month"] or "").lower()[:3]) or to_int(groups["number"] or "")
    day = to_int(groups["day"] or "1")
    if not month or not day or not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    return Rhythm({"cron": f"{{minute}} {{hour}} {day} {month} *"})


def _adverb(found: "re.Match[str]") -> Rhythm:
    word = found.group(1).lower()
    part = "night" if word == "nightly" else _part_in(found.group())
    return Rhythm(_ADVERBS[word], timed=word != "hourly", part=part)


def _cron(found: "re.Match[str]") -> Rhythm:
    return Rhythm({"cron": " ".join(found.group(1).split())}, timed=False)


def _part_in(words: str) -> str:
    found = re.search(rf"({_PART_WORDS})", words, _FLAGS)
    return found.group(1).lower() if found else ""


_DAY = r"(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?s?"
_DAY_LIST = rf"{_DAY}(?:(?:\s*,\s*(?:and )?|\s+and\s+|\s*&\s*|\s+or\s+|/){_DAY})*"
_HAN_DAY = rf"[{HAN_DAYS}]"
_CRON_FIELD = r"(?:[\d*?][\d*?/,\-L#W]*|(?:MON|TUE|WED|THU|FRI|SAT|SUN)[A-Z,\-]*)"
_MONTH = "|".join(f"{name}[a-z]*" for name in MONTHS)
_OF_MONTH = r"(?:of |in )?(?:the|each|every|a|per)?\s*(?:next )?months?"
_COUNT = rf"(?P<count>{NUMBER}|other|second|half(?: an?)?)?\s*-?"
_PART = rf"(?:\s+(?:{_PART_WORDS})s?)?"

_QUARTERS = "{minute} {hour} 1 */3 *"
_YEARS = "{minute} {hour} 1 1 *"


def _quarterly(found: "re.Match[str]") -> Rhythm:
    del found
    return Rhythm({"cron": _QUARTERS})


def _yearly(found: "re.Match[str]") -> Rhythm:
    del found
    return Rhythm({"cron": _YEARS})


_MON_TO_FRI = r"mon(?:day)?s?\s*(?:to|through|thru|until|till|-|–)\s*fri(?:day)?s?"
_WORKING = rf"(?:weekdays?|work(?:ing|week)?[ -]?days?|business days?|{_MON_TO_FRI})"
_OTHER = r"(?:(?:other|second|two weeks on|2 weeks on)\s+)?(?:week on )?"
_WEEKS = rf"(?:bi-?weekly|(?:weekly|{_EACH} (?:other |two |2 )?weeks?),?)"
_HAN_LIST = rf"{_HAN_DAY}(?:[、,，和及到至]?(?:周|星期)?{_HAN_DAY})*"
_HAN_MONTH_DAY = rf"(?:(第一|最后一)[天日]|(初|底|末)|(\d{{1,2}}|{HAN_NUMBER})[号日])"
_NOT_A_UNIT = rf"(?!\s+(?:of|week|day|month|{_DAY})\b)"
_NOBODY = "(?P<number>$.)?"

_PATTERNS: tuple[tuple[str, Reader], ...] = (
    (
        r"(?:\bcron\b[\s:=]*(?:expression|schedule)?[\s:=]*)?(?<![\w*])"
        rf"((?:{_CRON_FIELD}\s+){{4,5}}{_CRON_FIELD})(?![\w*])",
        _cron,
    ),
    (
        rf"\b{_EACH}\s+{_COUNT}(?P<unit>second|sec|minute|min|hour|hr)s?\b{_NOT_A_UNIT}",
        _interval,
    ),
    (
        r"\b(?:on )?(?:the )?(?P<which>first|second|third|fourth|last|1st|2nd|3rd|4th) "
        rf"(?P<day>{_DAY}) (?:of|in|each|every) (?:the |each |every |a )?months?",
        _nth_weekday,
    ),
    (
        rf"(?:\b{_EACH} year|\byearly|\bannually)[^.,\n]*?\b(?P<month>{_MONTH})\.? (?:the )?"
        rf"(?P<day>\d{{1,2}})?{_NOBODY}",
        _on_date,
    ),
    (
        rf"每年\s*(?P<month>$.)?(?P<number>\d{{1,2}}|{HAN_NUMBER})月"
        rf"(?P<day>\d{{1,2}}|{HAN_NUMBER})[日号]?",
        _on_date,
    ),
    (
        rf"\b(?:on |at )?(?:the )?(first|last|start|beginning|end) (?:day )?{_OF_MONTH}\b",
        _month_day,
    ),
    (rf"\b{_EACH} months?,? (?:on )?(?:the )?(?:day )?(\d{{1,2}})(?:st|nd|rd|th)\b", _month_day),
    (
        r"\b(?:on )?(?:the )?(\d{1,2})(?:st|nd|rd|th) (?:day )?(?:of|in) "
        r"(?:the|each|every|a) months?\b",
        _month_day,
    ),
    (r"\bmonthly,? on (?:the )?(\d{1,2})(?:st|nd|rd|th)?\b", _month_day),
    (rf"每个?月的?\s*{_HAN_MONTH_DAY}", _month_day),
    (rf"\b(?:(?:every|each|on|all|any)\s+)*{_WORKING}{_PART}\b", _working_days),
    (
        rf"(?:每个?)?(?:工作日|周一(?:到|至)周五|星期一(?:到|至)星期五)(?:{_PART_WORDS})?",
        _working_days,
    ),
    (rf"\b(?:(?:every|each|on|at)\s+(?:the )?)?weekends?{_PART}\b", _weekend),
    (r"每?个?周末", _weekend),
    (rf"\b(?:every|each)\s+{_OTHER}{_DAY_LIST}{_PART}\b", _weekly),
    (rf"\b{_WEEKS} on {_DAY_LIST}{_PART}\b", _weekly),
    (rf"\bon {_DAY_LIST.replace('s?', 's', 1)}\b", _weekly),
    (
        rf"(?:每|每个|每逢|每两周|隔周)的?(?:周|星期|礼拜)?{_HAN_LIST}(?:{_PART_WORDS})?",
        _weekly,
    ),
    (rf"\b{_EACH}\s+{_COUNT}(?P<unit>day|week|month)s?\b(?!\s+of\b)", _interval),
    (
        rf"每(?:隔|过)?(?P<count>\d+|{HAN_NUMBER}"
        rf"|半个?)?个?(?P<unit>秒|分钟|小时|钟头|天|日|周|星期|月)(?:{_PART_WORDS})?",
        _interval,
    ),
    (
        r"\b(hourly|daily|nightly|weekly|bi-?weekly|fortnightly|monthly|quarterly|yearly"
        r"|annually)\b",
        _adverb,
    ),
    (rf"\b(?:every|each|in the|all)\s+(?:single )?(?:{_PART_WORDS})s?\b", _daily),
    (rf"\b{_EACH} quarter\b", _quarterly),
    (rf"\b{_EACH} year\b", _yearly),
    (rf"每(?:天|日)?的?(?:{_PART_WORDS})", _daily),
    (r"每个?季度", _quarterly),
    (r"每年", _yearly),
)
READERS = tuple((re.compile(pattern, _FLAGS), reader) for pattern, reader in _PATTERNS)
"""What says a rhythm, and who reads it; the first that finds one is right."""

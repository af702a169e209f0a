"""Rhythms as people say them, as rules of `trigger.schedule`: `every weekday at 9`, 每月1号."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_service.authors.offline.clock_times import PARTS_OF_DAY, TimeFound, find_times
from agent_service.authors.offline.reading import ScheduleStart
from agent_service.authors.offline.rhythms import READERS, Rhythm
from agent_service.authors.offline.zones import find_city_after_time, find_zone
from shared.workflow import JsonObject

DEFAULT_TIME = "09:00"
_FLAGS = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class ScheduleFound:
    """A schedule, and the places of the words that said it."""

    start: ScheduleStart
    spans: Sequence[tuple[int, int]]


_BUSINESS_HOURS = re.compile(
    r"\b(?:during|within|in) (?:business|working|office|work) hours\b|(?:工作|办公)时间内?", _FLAGS
)
_BETWEEN = re.compile(
    r"\b(?:between|from)\s+(\d{1,2})(?::00)?\s*([ap]m)?\s*(?:and|to|until|till|-|–)\s*(\d{1,2})"
    r"(?::00)?\s*([ap]m)?\b",
    _FLAGS,
)


def find_schedule(plain: str) -> ScheduleFound | None:
    """The schedule a text tells of, if it does."""
    for pattern, reader in READERS:
        for found in pattern.finditer(plain):
            rhythm = reader(found)
            if rhythm is not None:
                return _complete(plain, found.span(), rhythm)
    return None


def _complete(plain: str, span: tuple[int, int], rhythm: Rhythm) -> ScheduleFound:
    """The rhythm with its times of day, its hours and its zone, from the sentence around it."""
    begin, end = _sentence_around(plain, span[0])
    spans = [span]
    start = ScheduleStart(phrase=plain[slice(*span)], rules=[rhythm.rule])
    if rhythm.timed:
        times = [
            replace(one, start=one.start + begin, end=one.end + begin)
            for one in find_times(plain[begin:end])
        ]
        times = [one for one in times if not (span[0] <= one.start and one.end <= span[1])]
        start = _timed(start, rhythm, times, plain[slice(*span)])
        spans += [(one.start, one.end) for one in times]
    else:
        start, more = _limited(start, plain[begin:end])
        spans += [(one + begin, other + begin) for one, other in more]
    if zone := find_zone(plain):
        start = replace(start, timezone=zone.zone)
        spans.append((zone.start, zone.end))
    elif city := find_city_after_time(plain, _skip_space(plain, max(end for _, end in spans))):
        start = replace(start, timezone=city.zone)
        spans.append((city.start, city.end))
    return ScheduleFound(start, spans)


def _timed(
    start: ScheduleStart, rhythm: Rhythm, times: Sequence[TimeFound], phrase: str
) -> ScheduleStart:
    inside = [one.at for one in find_times(phrase, bare=True)]
    said = [one.at for one in times] or inside
    part = PARTS_OF_DAY.get(rhythm.part, "")
    moments = said or [part or DEFAULT_TIME]
    assumed = [] if said else [f"time:{moments[0]}"]
    return replace(
        start,
        rules=[at_time(rhythm.rule, moment) for moment in moments],
        open_time=not said and not part,
        assumed=assumed,
    )


def at_time(rule: JsonObject, moment: str) -> JsonObject:
    """A rule at a time of day."""
    hour, minute = (int(part) for part in moment.split(":"))
    if "cron" in rule:
        return {"cron": rule["cron"].format(hour=hour, minute=minute)}
    return {**rule, "at": moment}


def _limited(start: ScheduleStart, sentence: str) -> tuple[ScheduleStart, list[tuple[int, int]]]:
    """An interval that only counts at certain hours becomes a cron expression."""
    rule = start.rules[0]
    hours, days, spans = "", "*", list[tuple[int, int]]()
    if found := _BUSINESS_HOURS.search(sentence):
        hours, days = "9-17", "1-5"
        spans.append(found.span())
    elif found := _BETWEEN.search(sentence):
        hours = f"{_hour(found[1], found[2])}-{_hour(found[3], found[4])}"
        spans.append(found.span())
    if re.search(r"\bweekdays?\b|\bworking days?\b|工作日", sentence, _FLAGS):
        days = "1-5"
    step = rule.get("every", 1)
    if not hours or rule.get("unit") not in ("minutes", "hours"):
        return start, []
    minute, hour = (f"*/{step}", hours) if rule["unit"] == "minutes" else ("0", f"{hours}/{step}")
    cron = f"{minute} {hour.removesuffix('/1')} * * {days}"
    return replace(start, rules=[{"cron": cron.replace("*/1 ", "* ")}]), spans


def _hour(text: str, half: str | None) -> int:
    hour = int(text)
    return hour % 12 + 12 if (half or "").lower() == "pm" else hour


def _sentence_around(plain: str, at: int) -> tuple[int, int]:
    begin = max((found.end() for found in re.finditer(r"[.!?。！？\n]\s", plain[:at])), default=0)
    ending = re.search(r"[.!?](?:\s|$)|[。！？\n]", plain[at:])
    return begin, at + ending.start() if ending else len(plain)


def _skip_space(plain: str, at: int) -> int:
    return at + len(plain[at:]) - len(plain[at:].lstrip())

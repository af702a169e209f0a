"""What a reading leaves open, and what answers make of it.

Every open point has an id that follows from the place of its step, so that the same text always
asks the same questions; `fill` puts answers in their places, and what nobody says is assumed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_service.authors.offline.clock_times import find_times
from agent_service.authors.offline.reading import (
    Branch,
    Choice,
    Fan,
    Foreign,
    ForeignStart,
    Http,
    Loop,
    ManualStart,
    Open,
    Reading,
    ScheduleStart,
    Source,
    Start,
    Step,
    WebhookStart,
    walk,
)
from agent_service.authors.offline.schedules import DEFAULT_TIME, at_time, find_schedule
from agent_service.authors.offline.text import Text
from agent_service.authors.offline.zones import find_zone

TIME = "schedule.time"
_DECIDE = re.compile(
    r"\b(?:you decide|your choice|whatever|don'?t care|up to you|any(?:thing)?|default|no idea"
    r"|skip|not sure|decide for me)\b|随便|你定|你决定|都行|默认",
    re.IGNORECASE,
)


def url_id(place: int) -> str:
    """The question after the address of the nth request."""
    return f"request-{place}.url"


def gap_id(place: int) -> str:
    """The question after the way around the nth gap; the start's gap is number 0."""
    return f"gap-{place}"


def is_left_open(answer: str) -> bool:
    """Whether an answer leaves the decision to us."""
    return bool(_DECIDE.search(answer))


def open_points(reading: Reading, answers: Mapping[str, str]) -> Sequence[Open]:
    """What is essential, was not said and was not answered."""
    points: list[Open] = []
    start = reading.start
    if isinstance(start, ScheduleStart) and start.open_time and TIME not in answers:
        points.append(Open(TIME, "time", start.phrase, DEFAULT_TIME))
    for place, step in enumerate(_requests(reading.steps), 1):
        if step.url is None and url_id(place) not in answers:
            points.append(Open(url_id(place), "url", step.purpose or step.phrase))
    return points


def fill(reading: Reading, answers: Mapping[str, str]) -> tuple[Reading, list[str]]:
    """The reading with answers in their places, and what had to be assumed."""
    start, assumptions = _fill_start(reading.start, answers)
    numbers = _Numbers(start)
    steps = _fill_steps(reading.steps, answers, numbers)
    return replace(reading, start=start, steps=steps), assumptions


class _Numbers:
    """Counts requests and gaps in the order in which they were said.

    Attributes:
        given: The address that a run is given as an input, as an expression.
    """

    def __init__(self, start: Start) -> None:
        self.requests = 0
        self.gaps = 0
        inputs = start.inputs if isinstance(start, ManualStart) else ()
        named = [name for name in inputs if re.fullmatch(r"(?:\w+_)?(?:url|link)", name, re.I)]
        self.given = f"{{{{ $json.{named[0]} }}}}" if named else ""


def _requests(steps: Sequence[Step]) -> list[Http]:
    return [step for step in walk(steps) if isinstance(step, Http)]


def _fill_start(start: Start, answers: Mapping[str, str]) -> tuple[Start, list[str]]:
    if isinstance(start, ForeignStart):
        return _replaced_start(start, answers.get(gap_id(0), "")), []
    if not isinstance(start, ScheduleStart):
        return start, []
    answer = answers.get(TIME)
    if answer is None or is_left_open(answer):
        return start, list(start.assumed)
    return _timed(start, answer), []


def _timed(start: ScheduleStart, answer: str) -> ScheduleStart:
    """The start at the time that was answered, which may say the rhythm anew."""
    zone = find_zone(answer)
    timezone = zone.zone if zone else start.timezone
    whole = find_schedule(answer)
    if whole is not None and not whole.start.open_time:
        return replace(whole.start, phrase=start.phrase, timezone=timezone)
    bare = f"at {answer}" if re.fullmatch(r"\s*\d{1,2}\s*", answer) else answer
    times = [one.at for one in find_times(bare)] or [DEFAULT_TIME]
    rules = [at_time(_without_time(start.rules[0]), moment) for moment in times]
    return replace(start, rules=rules, open_time=False, timezone=timezone, assumed=())


def _without_time(rule: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in rule.items() if name != "at"}
    if isinstance(cron := kept.get("cron"), str):
        _, _, rest = cron.split(" ", 2)
        kept["cron"] = f"{{minute}} {{hour}} {rest}"
    return kept


def _replaced_start(
    start: ForeignStart, answer: str
) -> "ForeignStart | WebhookStart | ScheduleStart | ManualStart":
    """What begins the run instead of a system that nothing here follows."""
    match answer:
        case "webhook":
            return WebhookStart(start.phrase, subject=start.system)
        case "schedule":
            rule = {"every": 15, "unit": "minutes"}
            return ScheduleStart(start.phrase, [rule])
        case "manual":
            return ManualStart(start.phrase)
        case _:
            return start


def _fill_steps(steps: Sequence[Step], answers: Mapping[str, str], numbers: _Numbers) -> list[Step]:
    filled: list[Step] = []
    for step in steps:
        filled.extend(_fill_step(step, answers, numbers))
    return filled


def _fill_step(step: Step, answers: Mapping[str, str], numbers: _Numbers) -> list[Step]:
    match step:
        case Http():
            numbers.requests += 1
            url = _url_in(answers.get(url_id(numbers.requests), "")) or numbers.given
            return [replace(step, url=url) if url and step.url is None else step]
        case Foreign():
            numbers.gaps += 1
            return _around(step, answers.get(gap_id(numbers.gaps), ""))
        case Branch():
            then = _fill_steps(step.then, answers, numbers)
            otherwise = _fill_steps(step.otherwise, answers, numbers)
            return [replace(step, then=then, otherwise=otherwise)]
        case Choice():
            cases = [
                replace(case, steps=_fill_steps(case.steps, answers, numbers))
                for case in step.cases
            ]
            default = _fill_steps(step.default, answers, numbers)
            return [replace(step, cases=cases, default=default)]
        case Fan():
            ways = [_fill_steps(way, answers, numbers) for way in step.ways]
            return [replace(step, ways=ways)]
        case Loop():
            return [replace(step, steps=_fill_steps(step.steps, answers, numbers))]
        case _:
            return [step]


def _url_in(answer: str) -> str | None:
    return Text.of(answer).literal(Text.of(answer).plain, "url")


def _around(step: Foreign, answer: str) -> list[Step]:
    """The way around a gap that was chosen; an address in the answer is where to send it."""
    if url := _url_in(answer):
        return [Http(step.phrase, "POST", url, Source.SUBJECT, purpose=step.phrase)]
    return [] if answer == "skip" else [step]

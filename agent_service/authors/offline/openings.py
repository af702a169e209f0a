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
_ADDRESS = re.compile(
    r"(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?(?:[/?#]\S*)?|https?://\S+", re.IGNORECASE
)
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


def asked_again(point: str) -> str:
    """The second question after the same thing: `request-1.url` becomes `request-1.again.url`."""
    owner, _, kind = point.rpartition(".")
    return f"{owner}.again.{kind}"


def address_in(answer: str) -> str | None:
    """The address that an answer gives."""
    text = Text.of(answer)
    if url := text.literal(text.plain, "url"):
        return url
    bare = answer.strip().strip("<>\"'`")
    if not _ADDRESS.fullmatch(bare):
        return None
    return bare if "://" in bare else f"https://{bare}"


def time_in(answer: str) -> str | None:
    """An answer that says when, as it was given."""
    hour = re.fullmatch(r"\s*(?:[01]?\d|2[0-3])\s*", answer)
    return answer.strip() if hour or find_times(answer) or find_schedule(answer) else None


_FITS = {"url": address_in, "time": time_in}


def fitting(point: str, answers: Mapping[str, str]) -> str | None:
    """The answer to a question, or to the same one put again, if it is one at all."""
    fits = _FITS[point.rpartition(".")[2]]
    said = [answers[one] for one in (asked_again(point), point) if one in answers]
    return next((fit for answer in said if (fit := fits(answer))), None)


def still_open(point: Open, answers: Mapping[str, str]) -> list[Open]:
    """The point itself if nobody answered, once more if the answer did not fit, or nothing."""
    if point.id not in answers:
        return [point]
    said, again = answers[point.id], asked_again(point.id)
    if fitting(point.id, answers) or is_left_open(said) or again in answers:
        return []
    return [replace(point, id=again, said=said)]


def is_left_open(answer: str) -> bool:
    """Whether an answer leaves the decision to us."""
    return bool(_DECIDE.search(answer))


def open_points(reading: Reading, answers: Mapping[str, str]) -> Sequence[Open]:
    """What is essential, was not said and was not answered; the reading is filled already."""
    points: list[Open] = []
    start = reading.start
    if isinstance(start, ScheduleStart) and start.open_time:
        points += still_open(Open(TIME, "time", start.phrase, DEFAULT_TIME), answers)
    for step in walk(reading.steps):
        if isinstance(step, Http) and step.url is None:
            points += still_open(Open(step.point, "url", step.purpose or step.phrase), answers)
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


def _fill_start(start: Start, answers: Mapping[str, str]) -> tuple[Start, list[str]]:
    if isinstance(start, ForeignStart):
        return _replaced_start(start, answers.get(gap_id(0), "")), []
    if not isinstance(start, ScheduleStart):
        return start, []
    answer = fitting(TIME, answers)
    if answer is None:
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
            point = url_id(numbers.requests)
            url = step.url or fitting(point, answers) or numbers.given or None
            return [replace(step, url=url, point=point)]
        case Foreign():
            numbers.gaps += 1
            return _around(step, gap_id(numbers.gaps), answers)
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


def _around(step: Foreign, gap: str, answers: Mapping[str, str]) -> list[Step]:
    """The way around a gap that was chosen; an address in the answer is where to send it."""
    answer, point = answers.get(gap, ""), f"{gap}.url"
    url = address_in(answer) or fitting(point, answers)
    if url or answer == "http":
        purpose = step.phrase
        return [Http(purpose, "POST", url, Source.SUBJECT, purpose=purpose, point=point)]
    return [] if answer == "skip" else [step]

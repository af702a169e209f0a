"""When it runs: `make it 10:30`, `every Monday instead`, `use Berlin time`."""

import re

from agent_service.authors.offline.clock_times import find_times
from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.targets import nodes_of
from agent_service.authors.offline.openings import fitting, still_open
from agent_service.authors.offline.reading import Open
from agent_service.authors.offline.schedules import at_time, find_schedule
from agent_service.authors.offline.zones import find_zone, zone_named
from shared.workflow import JsonObject

TIME = "edit.time"
_ABOUT_TIME = re.compile(
    r"\b(?:make it|run(?:s)?(?: it)?|start(?: it)?|trigger(?: it)?|fire|schedule(?: it)?|move it"
    r"|change (?:it|the (?:time|schedule|trigger))|set (?:it|the (?:time|schedule))|reschedule"
    r"|postpone|(?:an? )?(?:hour|minutes?) (?:earlier|later)|earlier|later|instead|time)\b"
    r"|改|时间|定时|运行|推迟|提前|早|晚",
    re.IGNORECASE,
)
_NEEDS_TIME = re.compile(
    r"^(?:please )?(?:change|move|set|edit|update|adjust)"
    r"(?: the)? (?:time|schedule|run time|start time)\.?$"
    r"|^(?:make|run|start) it (?:at a (?:different|another|later|earlier) time|earlier|later)\.?$"
    r"|^(?:改|换)(?:一下|个)?(?:时间|定时)$",
    re.IGNORECASE,
)
_SHIFT = re.compile(
    r"\b(?P<amount>an?|one|two|half an|\d+) (?P<unit>hours?|minutes?|mins?) "
    r"(?P<way>earlier|later)\b",
    re.IGNORECASE,
)
_CITY = re.compile(
    r"\b(?:time ?zone|zone|local time)\b.*?\b(?:to|in|of|is)\s+(?P<city>[A-Z][\w/]*(?: [A-Z]\w*)?)"
)
_AMOUNTS = {"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "half an": 0.5}


def change_zone(wish: Wish) -> Changed | None:
    """`use Berlin time`."""
    found = find_zone(wish.plain)
    city = _CITY.search(wish.plain)
    zone = found.zone if found else zone_named(city["city"]) if city else None
    if zone is None:
        return None
    after = wish.copy()
    after.setdefault("settings", {})["timezone"] = zone
    touches = ["settings"]
    touches.extend(
        node["id"]
        for node in nodes_of(after, "trigger.schedule")
        if node.get("parameters", {}).pop("timezone", None) is not None
    )
    timed = _rules_for(wish, nodes_of(after, "trigger.schedule"))
    if timed is not None:
        node, rules = timed
        node["parameters"]["rules"] = rules
        touches.append(node["id"])
    return Changed(after, touches)


def change_time(wish: Wish) -> Changed | None:
    """`make it 10:30`, `every Monday at 8 instead`."""
    after = wish.copy()
    schedules = nodes_of(after, "trigger.schedule")
    if not schedules:
        return None
    if _NEEDS_TIME.match(wish.plain.strip()):
        missing = still_open(Open(TIME, "time", wish.phrase), wish.answers)
        if missing:
            return Changed(wish.definition, [], open=missing)
    timed = _rules_for(wish, schedules)
    if timed is None:
        return None
    node, rules = timed
    node["parameters"]["rules"] = rules
    return Changed(after, [node["id"]])


def _rules_for(
    wish: Wish, schedules: list[JsonObject]
) -> tuple[JsonObject, list[JsonObject]] | None:
    if not schedules:
        return None
    node = schedules[0]
    rules: list[JsonObject] = node.get("parameters", {}).get("rules", [])
    words = f"{wish.plain} {fitting(TIME, wish.answers) or ''}".strip()
    if shift := _SHIFT.search(words):
        return node, [_shifted(rule, shift) for rule in rules]
    whole = find_schedule(words)
    if whole is not None:
        kept = rules[0].get("at", "") if rules else ""
        fresh = list(whole.start.rules)
        if whole.start.open_time and kept:
            fresh = [{**rule, "at": kept} if "at" in rule else rule for rule in fresh]
        return node, fresh
    if not _ABOUT_TIME.search(words):
        return None
    times = [one.at for one in find_times(words)]
    if not times or not rules:
        return None
    return node, [_at(rules[0], moment) for moment in times]


def _at(rule: JsonObject, moment: str) -> JsonObject:
    """A rule at another time of day; a cron expression keeps its days."""
    if "cron" in rule:
        fields = rule["cron"].split()
        hour, minute = (int(part) for part in moment.split(":"))
        fields[-5], fields[-4] = str(minute), str(hour)
        return {**rule, "cron": " ".join(fields)}
    if rule.get("unit") in ("seconds", "minutes", "hours"):
        return {"unit": "days", "at": moment}
    return at_time(rule, moment)


def _shifted(rule: JsonObject, shift: "re.Match[str]") -> JsonObject:
    if "at" not in rule:
        return rule
    said = shift["amount"].lower()
    amount = _AMOUNTS.get(said, float(said) if said.isdecimal() else 1.0)
    minutes = amount * (60 if shift["unit"].lower().startswith("hour") else 1)
    sign = -1 if shift["way"].lower() == "earlier" else 1
    hour, minute = (int(part) for part in rule["at"].split(":")[:2])
    moved = int(hour * 60 + minute + sign * minutes) % (24 * 60)
    return {**rule, "at": f"{moved // 60:02}:{moved % 60:02}"}

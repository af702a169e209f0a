"""What begins a run: by hand, by a request, by the clock."""

import re
from collections.abc import Iterator
from typing import Any, cast

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_AUTH = {"none": "none", "basicAuth": "basic", "headerAuth": "header", "jwtAuth": "jwt"}
_ANSWERS = {"onReceived": "at_once", "lastNode": "last_node", "responseNode": "respond_node"}
_FIELD_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
_NAMED_STEP = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9._~/-]+")
_OTHER_NAMES = (
    "The item names the moment otherwise: timestamp, date, time, weekday, year, month, day, …"
)


def _manual(node: SourceNode) -> Mapped:
    del node
    return Mapped("trigger.manual", {})


def _webhook(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    parameters: JsonObject = {
        "path": _path(fields),
        "methods": _methods(fields),
        "response_mode": fields.choice("responseMode", _ANSWERS, "onReceived"),
    }
    auth = fields.choice("authentication", _AUTH, "none")
    if auth != "none":
        parameters["auth"] = auth
        fields.differ("The secret is not in an export: enter it in the parameter 'secret'.")
    if parameters["response_mode"] == "last_node":
        fields.ignore("responseData")
        if fields.fixed("responseData", "firstEntryJson") != "allEntries":
            fields.differ("It answers with all items of the last node, as a list.")
    options.ignore("binaryData", "binaryPropertyName")
    return Mapped("trigger.webhook", parameters)


def _step(part: str) -> str:
    """A step of a path; one such as `:id` stands for any here as well."""
    return part if _NAMED_STEP.fullmatch(part) else _NOT_IN_PATHS.sub("-", part)


def _path(fields: Fields) -> str:
    written = fields.text("path").strip("/")
    path = "/".join(filter(None, map(_step, written.split("/"))))
    if path != written:
        fields.differ(f"Its path is {path!r} now.")
    return path or "webhook"


def _methods(fields: Fields) -> list[str]:
    fields.ignore("multipleMethods")
    written: Any = fields.fixed("httpMethod", "GET")
    wanted = cast("list[Any]", written) if isinstance(written, list) else [written]
    known = [str(method) for method in wanted if method in _METHODS]
    if not known:
        raise CannotMap(f"There is no counterpart of the method {written!r}.")
    return known


_TYPES = {"string": "string", "number": "number", "boolean": "boolean",
          "array": "array", "object": "object"}  # fmt: skip


def _called(node: SourceNode) -> Mapped:
    """When executed by another workflow."""
    fields = node.fields
    fields.ignore("events", "notice", "jsonExample")
    rows = fields.section("workflowInputs").rows("values")
    source = fields.fixed("inputSource", "workflowInputs" if rows else "passthrough")
    if source == "jsonExample":
        fields.differ("Its example is not turned into fields: whatever is handed over is taken.")
    if source != "workflowInputs":
        return Mapped("trigger.workflow", {})
    made: list[JsonObject] = []
    for row in rows:
        name, kind = row.text("name"), str(row.fixed("type", "string"))
        if not _FIELD_NAME.match(name) or kind == "any":
            fields.differ(f"Its field {name!r} cannot be typed here, so the form is left out.")
            return Mapped("trigger.workflow", {})
        field = {"name": name, "type": _TYPES.get(kind, "string"), "required": False}
        made.append(field)
    fields.differ("A field that the form does not have is refused; n8n drops it.")
    return Mapped("trigger.workflow", {"fields": made})


def _error(node: SourceNode) -> Mapped:
    del node
    return Mapped("trigger.error", {})


# --- the clock


def _schedule(node: SourceNode) -> Mapped:
    rows = node.fields.rows("rule", "interval") or [Fields({}, node.fields.differences)]
    node.fields.differ(_OTHER_NAMES)
    return Mapped("trigger.schedule", {"rules": [_rule(row) for row in rows]})


def _rule(row: Fields) -> JsonObject:
    field = row.fixed("field", "days")
    at = _time(row)
    match field:
        case "cronExpression":
            return {"cron": row.text("expression").strip()}
        case "seconds" | "minutes":
            default = 30 if field == "seconds" else 5
            return {"unit": field, "every": int(row.number(f"{field}Interval", default))}
        case "hours":
            every = int(row.number("hoursInterval", 1))
            minute = int(row.number("triggerAtMinute", 0))
            return {"unit": "hours", "every": every, **({"minute": minute} if minute else {})}
        case "days":
            return {"unit": "days", "every": int(row.number("daysInterval", 1)), "at": at}
        case "weeks":
            days: list[int] = row.fixed("triggerAtDay", [0])
            every = int(row.number("weeksInterval", 1))
            names = [_DAYS[int(day) % 7] for day in days]
            return {"unit": "weeks", "every": every, "weekdays": names, "at": at}
        case "months":
            every = int(row.number("monthsInterval", 1))
            day = int(row.number("triggerAtDayOfMonth", 1))
            return {"unit": "months", "every": every, "day_of_month": day, "at": at}
        case _:
            raise CannotMap(f"There is no counterpart of the interval {field!r}.")


def _time(row: Fields) -> str:
    hour, minute = int(row.number("triggerAtHour", 0)), int(row.number("triggerAtMinute", 0))
    return f"{hour:02}:{minute:02}"


def _cron(node: SourceNode) -> Mapped:
    """The node before Schedule Trigger."""
    rules = list(_times(node.fields))
    node.fields.differ(_OTHER_NAMES)
    return Mapped("trigger.schedule", {"rules": rules or [{"unit": "days"}]})


def _times(fields: Fields) -> Iterator[JsonObject]:
    for row in fields.rows("triggerTimes", "item"):
        mode = row.fixed("mode", "everyDay")
        hour, minute = int(row.number("hour", 14)), int(row.number("minute", 0))
        at = f"{hour:02}:{minute:02}"
        match mode:
            case "everyMinute":
                yield {"unit": "minutes", "every": 1}
            case "everyHour":
                yield {"unit": "hours", "every": 1, "minute": minute}
            case "everyDay":
                yield {"unit": "days", "at": at}
            case "everyWeek":
                day = _DAYS[int(row.number("weekday", 1)) % 7]
                yield {"unit": "weeks", "weekdays": [day], "at": at}
            case "everyMonth":
                day_of_month = int(row.number("dayOfMonth", 1))
                yield {"unit": "months", "day_of_month": day_of_month, "at": at}
            case "everyX":
                unit = str(row.fixed("unit", "hours"))
                yield {"unit": unit, "every": int(row.number("value", 2))}
            case "custom":
                yield {"cron": row.text("cronExpression").strip()}
            case _:
                raise CannotMap(f"There is no counterpart of the mode {mode!r}.")


def _interval(node: SourceNode) -> Mapped:
    unit = str(node.fields.fixed("unit", "seconds"))
    every = int(node.fields.number("interval", 1))
    node.fields.differ(_OTHER_NAMES)
    return Mapped("trigger.schedule", {"rules": [{"unit": unit, "every": every}]})


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.executeWorkflowTrigger",), _called),
    NodeMapping(("n8n-nodes-base.errorTrigger",), _error),
    NodeMapping(("n8n-nodes-base.manualTrigger", "n8n-nodes-base.start"), _manual),
    NodeMapping(("n8n-nodes-base.webhook",), _webhook),
    NodeMapping(("n8n-nodes-base.scheduleTrigger",), _schedule),
    NodeMapping(("n8n-nodes-base.cron",), _cron),
    NodeMapping(("n8n-nodes-base.interval",), _interval),
)

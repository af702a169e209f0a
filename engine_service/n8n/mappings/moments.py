"""Date & Time: version 1, which has Moment's formats, and version 2, which has Luxon's."""

import re
from collections.abc import Callable, Mapping

from engine_service.n8n.expressions import is_expression
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.values.moments import UNITS
from shared.workflow import JsonObject

_UNITS = {name: unit for unit in UNITS for name in (unit, unit.removesuffix("s"))}
_PARTS = {
    name: name for name in ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
}
_MOMENT = re.compile(r"\[(?P<quoted>[^\]]*)\]|(?P<token>([A-Za-z])\3*o?)|(?P<sign>.)", re.DOTALL)
_LUXON = {
    "YYYY": "yyyy", "YY": "yy", "Y": "y", "DDDD": "ooo", "DDD": "o", "DD": "dd", "D": "d",
    "dddd": "EEEE", "ddd": "EEE", "E": "E", "A": "a", "W": "W", "WW": "WW", "GGGG": "kkkk",
    "Z": "ZZ", "ZZ": "ZZZ", "z": "ZZZZ", "Q": "q", "M": "M", "MM": "MM", "MMM": "MMM",
    "MMMM": "MMMM", "H": "H", "HH": "HH", "h": "h", "hh": "hh", "m": "m", "mm": "mm", "s": "s",
    "ss": "ss", "S": "S", "SSS": "SSS", "X": "X", "x": "x",
    "L": "MM/dd/yyyy", "LL": "MMMM d, yyyy", "LT": "h:mm a", "LTS": "h:mm:ss a",
}  # fmt: skip


def _from_moment(written: str) -> str:
    """A format of Moment's tokens in Luxon's."""
    parts: list[str] = []
    for found in _MOMENT.finditer(written):
        token = found["token"]
        if token is None:
            quoted = found["quoted"]
            parts.append(found["sign"] if quoted is None else f"'{quoted}'")
        elif token in _LUXON:
            parts.append(_LUXON[token])
        elif token == "T":
            parts.append("'T'")
        else:
            raise CannotMap(f"The format {written!r} has {token!r}, which is not known here.")
    return "".join(parts)


def _preset(written: str) -> str:
    return _from_moment(written) if re.search("[YD]", written) else written


def _datetime(node: SourceNode) -> Mapped:
    return _first(node.fields) if node.version < 2 else _second(node.fields)


_OF_PROCESS = "UTC"
"""What n8n's process has for a time zone where nobody sets one for it."""


# --- version 2


def _second(fields: Fields) -> Mapped:
    options = fields.section("options")
    operation = fields.choice("operation", _OPERATIONS, "getCurrentDate")
    made = operation(fields, options)
    if fields.has("outputFieldName"):
        made["to"] = fields.text("outputFieldName")
    if options.flag("includeInputFields"):
        made["include"] = "all"
    return Mapped("data.datetime", made)


def _now(fields: Fields, options: Fields) -> JsonObject:
    made: JsonObject = {"operation": "now", "include_time": fields.flag("includeTime", True)}
    if options.has("timezone"):
        made["timezone"] = options.text("timezone")
    return made


def _dated(fields: Fields, options: Fields, name: str = "date") -> JsonObject:
    """The date of an operation; n8n reads one without an offset in the zone of its process."""
    options.ignore("timezone")
    made: JsonObject = {"date": fields.take(name, ""), "read_timezone": _OF_PROCESS}
    if options.has("fromFormat"):
        made["read_format"] = options.text("fromFormat")
    return made


def _format(fields: Fields, options: Fields) -> JsonObject:
    written = fields.text("format", "MM/dd/yyyy")
    custom = fields.text("customFormat")
    pattern = custom if written == "custom" else _preset(written)
    made: JsonObject = {"operation": "format", **_dated(fields, options), "format": pattern}
    if not options.flag("timezone"):
        made.update(timezone="UTC", keep_offset=True)
    return made


def _add(fields: Fields, options: Fields) -> JsonObject:
    return {
        "operation": "add",
        **_dated(fields, options, "magnitude"),
        "unit": fields.choice("timeUnit", _UNITS, "days"),
        "amount": fields.take("duration", 0),
    }


def _subtract(fields: Fields, options: Fields) -> JsonObject:
    return {**_add(fields, options), "operation": "subtract"}


def _extract(fields: Fields, options: Fields) -> JsonObject:
    part = fields.choice("part", _PARTS, "month")
    return {"operation": "extract", **_dated(fields, options), "part": part}


def _between(fields: Fields, options: Fields) -> JsonObject:
    units: list[str] = fields.fixed("units", ["day"])
    unknown = [unit for unit in units if unit not in _UNITS]
    if unknown:
        raise CannotMap(f"There is no counterpart of the unit {unknown[0]!r}.")
    return {
        "operation": "between",
        **_dated(fields, options, "startDate"),
        "end": fields.take("endDate", ""),
        "units": [_UNITS[unit] for unit in units],
        "as_duration": options.flag("isoString"),
    }


def _round(fields: Fields, options: Fields) -> JsonObject:
    up = fields.fixed("mode", "roundDown") == "roundUp"
    nearest, to = fields.choice("toNearest", _UNITS, "month"), fields.choice("to", _UNITS, "month")
    return {
        "operation": "round",
        **_dated(fields, options),
        "unit": to if up else nearest,
        "direction": "up" if up else "down",
    }


_OPERATIONS: Mapping[str, Callable[[Fields, Fields], JsonObject]] = {
    "getCurrentDate": _now,
    "formatDate": _format,
    "addToDate": _add,
    "subtractFromDate": _subtract,
    "extractDate": _extract,
    "getTimeBetweenDates": _between,
    "roundDate": _round,
}


# --- version 1


def _first(fields: Fields) -> Mapped:
    options = fields.section("options")
    made: JsonObject = {
        "date": fields.take("value", ""),
        "to": fields.text("dataPropertyName", "data"),
        "include": "all",
    }
    if options.has("fromFormat"):
        made["read_format"] = _from_moment(str(options.fixed("fromFormat")))
    if fields.fixed("action", "format") == "calculate":
        made["operation"] = "add" if fields.fixed("operation", "add") == "add" else "subtract"
        made["unit"] = fields.choice("timeUnit", _UNITS, "days")
        made["amount"] = fields.take("duration", 0)
        return Mapped("data.datetime", {**made, "timezone": _OF_PROCESS})
    fields.ignore("custom")
    written = fields.verbatim("toFormat", "MM/DD/YYYY")
    if is_expression(written):
        raise CannotMap("Its format is an expression.")
    made.update(operation="format", format=_from_moment(str(written)))
    source, target = options.text("fromTimezone"), options.text("toTimezone")
    if source or target:
        made["read_timezone"] = source or "workflow"
        made.update({"timezone": target} if target else {})
    else:
        made["timezone"] = _OF_PROCESS
    return Mapped("data.datetime", made)


MAPPINGS = (NodeMapping(("n8n-nodes-base.dateTime",), _datetime),)

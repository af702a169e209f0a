"""Google Sheets and Google Calendar."""

import re
from typing import Any, cast

from engine_service.n8n.app import App, Build, limit
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_ID_IN_URL = re.compile(r"/d/([A-Za-z0-9_-]+)")

# --- Sheets


def _spreadsheet(fields: Fields) -> str:
    found = fields.located("documentId") or fields.take("sheetId", "")
    in_url = _ID_IN_URL.search(str(found))
    return in_url[1] if in_url else found


def _sheet(fields: Fields) -> str:
    """The sheet's name; n8n keeps ids, with the name as it was last seen beside them."""
    raw: Any = fields.raw.get("sheetName")
    value = fields.located("sheetName")
    if not isinstance(raw, dict) or cast("JsonObject", raw).get("mode") == "name":
        return value
    name = cast("JsonObject", raw).get("cachedResultName")
    if isinstance(name, str) and name:
        return name
    if value in ("gid=0", "0", 0, ""):
        return ""
    raise CannotMap("It knows its sheet by an id only; here it must be the sheet's name.")


def _place(fields: Fields) -> JsonObject:
    return {"spreadsheet_id": _spreadsheet(fields), "sheet": _sheet(fields)}


def _read(fields: Fields) -> JsonObject:
    fields.ignore("options", "combineFilters")
    rows = fields.rows("filtersUI", "values")
    if len(rows) > 1 and fields.fixed("combineFilters", "AND") != "AND":
        raise CannotMap("It wants rows that match any of several values; here it is all of them.")
    where = {row.text("lookupColumn"): row.take("lookupValue") for row in rows}
    return {"operation": "read", **_place(fields), "where": where}


def _writing(operation: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        options = fields.section("options")
        columns = fields.section("columns")
        columns.ignore("mappingMode", "schema", "attemptToConvertTypes", "convertFieldsToString")
        fields.ignore("dataMode", "options")
        extra = {"ignoreIt": "ignore", "error": "error", "insertInNewColumn": "add"}
        handling = options.choice("handlingExtraData", extra, "insertInNewColumn")
        raw = options.fixed("cellFormat", "USER_ENTERED") == "RAW"
        made: JsonObject = {"operation": operation, **_place(fields)}
        mode = columns.fixed("mappingMode") or fields.fixed("dataMode", "autoMapInputData")
        if mode not in ("autoMapInputData", "autoMapInput"):
            made["values"] = columns.take("value") or {
                row.text("fieldId") or row.text("column"): row.take("fieldValue")
                for row in fields.rows("fieldsUi", "fieldValues")
                or fields.rows("fieldsUi", "values")
            }
        if operation != "append":
            keys = columns.take("matchingColumns") or [fields.located("columnToMatchOn")]
            if len(keys) != 1 or not keys[0]:
                raise CannotMap("It matches rows by several columns; here it is one.")
            made["key"] = keys[0]
        if handling != "add":
            made["extra"] = handling
        return {**made, **({"input": "RAW"} if raw else {})}

    return build


def _clear(fields: Fields) -> JsonObject:
    if fields.fixed("clear", "wholeSheet") != "specificRange":
        raise CannotMap("It clears rows, columns or all of a sheet; here it is a range.")
    place, cells = _place(fields), fields.take("range", "")
    sheet = str(place["sheet"]).replace("'", "''")
    where = f"'{sheet}'!{cells}" if sheet else cells
    return {"operation": "clear", "spreadsheet_id": place["spreadsheet_id"], "range": where}


def _create(fields: Fields) -> JsonObject:
    fields.ignore("sheetsUi", "options")
    return {"operation": "create", "title": fields.take("title")}


_SHEETS = App(
    "google.sheets",
    {
        "sheet:read": _read,
        "sheet:append": _writing("append"),
        "sheet:appendOrUpdate": _writing("upsert"),
        "sheet:update": _writing("update"),
        "sheet:clear": _clear,
        "spreadsheet:create": _create,
    },
    "sheet",
    "read",
)


def _sheets(node: SourceNode) -> Mapped:
    if node.version < 3:
        raise CannotMap("It is of an older version, which names cells otherwise.")
    return _SHEETS.translate(node)


# --- Calendar

_EVENT = ("description", "location", "sendUpdates")


def _event(fields: Fields, section: str) -> JsonObject:
    more = fields.section(section)
    more.ignore("allday")
    made = {name: more.take(name) for name in _EVENT}
    people = more.take("attendees")
    return {**made, "summary": more.take("summary"), "attendees": people}


def _calendar(fields: Fields) -> JsonObject:
    return {"calendar": fields.located("calendar")}


def _create_event(fields: Fields) -> JsonObject:
    fields.ignore("useDefaultReminders")
    moments = {name: fields.take(name, "{{ $now.toISO() }}") for name in ("start", "end")}
    made = _event(fields, "additionalFields")
    if not made["summary"]:
        made["summary"] = "(No title)"
        fields.differ("An event without a summary is called '(No title)'.")
    return {"operation": "create", **_calendar(fields), **moments, **made}


def _update_event(fields: Fields) -> JsonObject:
    fields.ignore("useDefaultReminders", "modifyTarget")
    changes = fields.section("updateFields")
    moments = {name: changes.take(name) for name in ("start", "end")}
    event = {"event_id": fields.take("eventId")}
    made = _event(fields, "updateFields")
    return {"operation": "update", **_calendar(fields), **event, **moments, **made}


def _events(fields: Fields) -> JsonObject:
    options = fields.section("options")
    bounds = {name: fields.take(name) or options.take(name) for name in ("timeMin", "timeMax")}
    words = options.take("query")
    shown = {"operation": "list", **_calendar(fields), **bounds, "q": words}
    return {**shown, **limit(fields, 50)}


def _of_event(operation: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        sent = {"sendUpdates": fields.section("options").take("sendUpdates")}
        more = sent if operation == "delete" else {}
        event = fields.take("eventId")
        return {"operation": operation, **_calendar(fields), "event_id": event, **more}

    return build


def _availability(fields: Fields) -> JsonObject:
    fields.differ("It gives the busy times of each calendar, not whether one is available.")
    bounds = {name: fields.take(name, "{{ $now.toISO() }}") for name in ("timeMin", "timeMax")}
    return {"operation": "freebusy", "calendars": [fields.located("calendar")], **bounds}


_CALENDAR = App(
    "google.calendar",
    {
        "event:create": _create_event,
        "event:get": _of_event("get"),
        "event:getAll": _events,
        "event:update": _update_event,
        "event:delete": _of_event("delete"),
        "calendar:availability": _availability,
    },
    "event",
    "create",
)

MAPPINGS = (
    NodeMapping(("n8n-nodes-base.googleSheets",), _sheets),
    NodeMapping(("n8n-nodes-base.googleCalendar",), _CALENDAR.translate),
)

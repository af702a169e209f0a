"""Calendars: iCalendar files to events and back."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, cast

from icalendar import Calendar, Event, vCalAddress, vText

from engine_service.formats.documents import MOST_WHOLE
from engine_service.formats.failing import Unreadable
from shared.workflow import JsonObject

_TEXTS = ("summary", "description", "location", "url", "status", "uid")


def read_ics(file: BinaryIO) -> Iterator[JsonObject]:
    """The events of a calendar: texts, `start`, `end`, `all_day`, `organizer`, `attendees`.

    Raises:
        Unreadable: It is none, or too large.
    """
    data = file.read(MOST_WHOLE + 1)
    if len(data) > MOST_WHOLE:
        raise Unreadable("The calendar is too large.")
    try:
        calendar: Any = Calendar.from_ical(data)
        events = calendar.walk("VEVENT")
    except (ValueError, IndexError, KeyError) as error:
        raise Unreadable("The file is no calendar.") from error
    for event in events:
        yield _event(event)


def write_ics(events: Iterable[JsonObject], now: datetime) -> bytes:
    """Events as a calendar; each needs a `start`, and ends an hour later when nothing is said.

    Raises:
        Unreadable: An event has no start, or one that is no moment.
    """
    calendar: Any = Calendar()
    calendar.add("prodid", "-//Flowloom//EN")
    calendar.add("version", "2.0")
    for number, given in enumerate(events):
        calendar.add_component(_written(given, number, now))
    return calendar.to_ical()


def _event(event: Any) -> JsonObject:
    told: JsonObject = {name: str(event[name]) for name in _TEXTS if name in event}
    for name, key in (("start", "dtstart"), ("end", "dtend")):
        if key in event:
            told[name] = event[key].dt.isoformat()
    told["all_day"] = "dtstart" in event and not isinstance(event["dtstart"].dt, datetime)
    if "rrule" in event:
        told["rule"] = event["rrule"].to_ical().decode()
    if "organizer" in event:
        told["organizer"] = _address(event["organizer"])
    attendees: Any = event.get("attendee", [])
    if attendees:
        listed = cast("list[Any]", attendees) if isinstance(attendees, list) else [attendees]
        told["attendees"] = [_address(one) for one in listed]
    return told


def _address(value: Any) -> str:
    text = str(value)
    return text[7:] if text.lower().startswith("mailto:") else text


def _written(given: JsonObject, number: int, now: datetime) -> Any:
    event: Any = Event()
    all_day = given.get("all_day") is True
    start = _moment(given.get("start"), all_day=all_day)
    if start is None:
        raise Unreadable(f"Event {number} has no `start`.")
    end = _moment(given.get("end"), all_day=all_day)
    event.add("dtstart", start)
    event.add("dtend", end or start + (timedelta(days=1) if all_day else timedelta(hours=1)))
    event.add("dtstamp", now.astimezone(UTC))
    event.add("uid", str(given.get("uid") or f"{number}-{int(now.timestamp())}@flowloom"))
    for name in _TEXTS[:-1]:
        if given.get(name) not in (None, ""):
            event.add(name, str(given[name]))
    if given.get("organizer"):
        event["organizer"] = vCalAddress(f"mailto:{given['organizer']}")
    attendees: Any = given.get("attendees") or []
    for one in cast("list[Any]", attendees) if isinstance(attendees, list) else [attendees]:
        address = vCalAddress(f"mailto:{one}")
        address.params["rsvp"] = vText("TRUE")
        event.add("attendee", address, encode=False)
    return event


def _moment(value: Any, *, all_day: bool) -> date | datetime | None:
    if value in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Unreadable(f"{value!r} is no moment in ISO 8601.") from error
    return moment.date() if all_day else moment

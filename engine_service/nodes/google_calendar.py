"""`google.calendar`: events and free time in Google Calendar."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import Connector
from engine_service.connectors.google import CREDENTIAL_TYPES, google, pages
from engine_service.connectors.operation import OPERATION, Call, Choice, Listing, Operation
from engine_service.sdk.node import Effect, NodeError
from shared.workflow import JsonObject

_EVENTS = "/calendars/{calendar}/events"
_EVENT = f"{_EVENTS}/{{event_id}}"
_NOTIFY = Field(default=None, description="Who gets mail about it")
_SAMPLE: JsonObject = {
    "id": "0123456789abcdef", "status": "confirmed", "summary": "Meeting",
    "start": {"dateTime": "2026-03-02T09:00:00Z"}, "end": {"dateTime": "2026-03-02T10:00:00Z"},
    "htmlLink": "https://www.google.com/calendar/event?eid=abc",
}  # fmt: skip
_SENT_OTHERWISE = ("attendees", "start", "end", "timezone", "more")


class _InCalendar(Operation):
    """Which calendar."""

    calendar: str = Field(
        default="primary", min_length=1, description="The calendar's id; `primary` is one's own"
    )


class _Event(_InCalendar):
    """What an event says."""

    description: str | None = Field(default=None, max_length=8_192, description="More about it")
    location: str | None = Field(default=None, description="Where it is")
    timezone: str | None = Field(default=None, description="An IANA zone for start and end")
    attendees: list[str] | None = Field(default=None, description="Who is invited, by address")
    recurrence: list[str] | None = Field(
        default=None, description="RRULE lines for an event that repeats"
    )
    more: JsonObject | None = Field(
        default=None, description="Further fields of the event, as Google writes them"
    )
    sendUpdates: Literal["all", "externalOnly", "none"] | None = _NOTIFY  # noqa: N815 - Google's
    sample = _SAMPLE

    def moments(self) -> JsonObject:
        """Start and end."""
        return {}

    def to_body(self) -> Any:
        invited = [{"email": address} for address in self.attendees or ()]
        return {
            **super().to_body(),
            **self.moments(),
            **({"attendees": invited} if self.attendees is not None else {}),
            **(self.more or {}),
        }


class CreateEvent(_Event):
    """Creates an event."""

    operation: Literal["create"] = OPERATION
    summary: str = Field(min_length=1, max_length=1_024, description="What it is called")
    start: str = Field(min_length=8, description="An ISO time, or a day for events of whole days")
    end: str = Field(min_length=8, description="Likewise; the day after the last whole day")
    # An event may be given its id, so that a second one of the same id is refused.
    call = Call(
        "POST",
        _EVENTS,
        Effect.KEYED,
        query=("sendUpdates",),
        unsent=_SENT_OTHERWISE,
        key=("id", 64),
    )

    def moments(self) -> JsonObject:
        return {
            "start": _moment(self.start, self.timezone),
            "end": _moment(self.end, self.timezone),
        }


class UpdateEvent(_Event):
    """Changes an event; what is not given stays as it is."""

    operation: Literal["update"] = OPERATION
    event_id: str = Field(min_length=1, description="The event's id")
    summary: str | None = Field(default=None, description="What it is called")
    start: str | None = Field(default=None, description="An ISO time, or a day")
    end: str | None = Field(default=None, description="Likewise")
    call = Call("PATCH", _EVENT, Effect.KEYED, query=("sendUpdates",), unsent=_SENT_OTHERWISE)

    def moments(self) -> JsonObject:
        given = {"start": self.start, "end": self.end}
        return {name: _moment(text, self.timezone) for name, text in given.items() if text}


class GetEvent(_InCalendar):
    """Reads an event."""

    operation: Literal["get"] = OPERATION
    event_id: str = Field(min_length=1, description="The event's id")
    call = Call("GET", _EVENT, Effect.READ)
    sample = _SAMPLE


class ListEvents(Listing, _InCalendar):
    """Lists events; those that repeat once for each time, in the order of their beginnings."""

    operation: Literal["list"] = OPERATION
    timeMin: str | None = Field(default=None, description="Only that end after this ISO time")  # noqa: N815
    timeMax: str | None = Field(default=None, description="Only that start before this ISO time")  # noqa: N815
    q: str | None = Field(default=None, description="Only with these words")
    singleEvents: bool = Field(default=True, description="Whether repetitions come one by one")  # noqa: N815
    call = Call("GET", _EVENTS, Effect.READ, items="items", pages=pages("maxResults", 250))
    sample = _SAMPLE

    def to_query(self) -> JsonObject:
        return {**super().to_query(), **({"orderBy": "startTime"} if self.singleEvents else {})}


class DeleteEvent(_InCalendar):
    """Deletes an event."""

    operation: Literal["delete"] = OPERATION
    event_id: str = Field(min_length=1, description="The event's id")
    sendUpdates: Literal["all", "externalOnly", "none"] | None = _NOTIFY  # noqa: N815
    call = Call("DELETE", _EVENT, Effect.KEYED)
    sample: ClassVar[JsonObject] = {}


class FreeBusy(Operation):
    """Tells when calendars are busy."""

    operation: Literal["freebusy"] = OPERATION
    calendars: list[str] = Field(
        default=["primary"], min_length=1, max_length=50, description="The calendars, by id"
    )
    timeMin: str = Field(description="From this ISO time")  # noqa: N815
    timeMax: str = Field(description="To this ISO time")  # noqa: N815
    timezone: str | None = Field(default=None, description="An IANA zone for the answer")
    call = Call(
        "POST", "/freeBusy", Effect.READ, names={"timezone": "timeZone"}, unsent=("calendars",)
    )
    sample: ClassVar[JsonObject] = {
        "calendar": "primary",
        "busy": [{"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T10:00:00Z"}],
    }

    def to_body(self) -> Any:
        return {**super().to_body(), "items": [{"id": each} for each in self.calendars]}


class CalendarParameters(Choice):
    """What to do with which calendar."""

    operations = (CreateEvent, GetEvent, ListEvents, UpdateEvent, DeleteEvent, FreeBusy)


CALENDAR = google("Google Calendar", "https://www.googleapis.com/calendar/v3")


class GoogleCalendar(Connector):
    """Creates, reads, changes and deletes events in Google Calendar, and tells who is free.

    `operation` says what to do: `create`, `get`, `list`, `update`, `delete`, `freebusy`. `start`
    and `end` are ISO times (`2026-03-02T09:00:00Z`, or without an offset together with
    `timezone`), or days (`2026-03-02`) for events of whole days.

    The credential is a `google.account` with the scope `https://www.googleapis.com/auth/calendar`;
    its token is renewed when it has run out. Refusals fail the item as `not_authenticated`,
    `forbidden`, `not_found`, `conflict`, `refused` or `rate_limited`; short limits are waited out.
    An event is created once, however often its creation has to be tried.
    """

    Parameters = CalendarParameters
    vendor = CALENDAR
    type = "google.calendar"
    title = "Google Calendar"
    credential_types = CREDENTIAL_TYPES
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "create", "summary": "Call {{ $json.customer }}",
         "start": "2026-03-02T09:00:00", "end": "2026-03-02T09:30:00",
         "timezone": "Europe/Berlin", "attendees": ["{{ $json.email }}"]},
        {"operation": "list", "timeMin": "{{ $now.toISO() }}", "limit": 10},
        {"operation": "freebusy", "timeMin": "2026-03-02T00:00:00Z",
         "timeMax": "2026-03-03T00:00:00Z"},
    )  # fmt: skip
    keywords = (
        "google calendar", "calendar", "event", "meeting", "appointment", "schedule a meeting",
        "free busy", "availability", "谷歌日历", "日历", "会议", "日程", "预约",
    )  # fmt: skip

    async def perform(self, operation: Operation, caller: Caller) -> list[Any]:
        try:
            members = await caller.perform(operation)
        except NodeError as error:
            if error.failure.code == "conflict" and isinstance(operation, CreateEvent):
                return await self._created_before(operation, caller)
            raise
        if isinstance(operation, FreeBusy):
            return list(_busy(members[0]))
        return members

    async def _created_before(self, operation: CreateEvent, caller: Caller) -> list[Any]:
        """The event that an earlier try has created, whose answer was lost."""
        event = GetEvent(operation="get", calendar=operation.calendar, event_id=caller.token(64))
        return await caller.perform(event)


def _busy(answer: JsonObject) -> Iterator[JsonObject]:
    for name, found in answer.get("calendars", {}).items():
        yield {"calendar": name, **found}


def _moment(text: str, timezone: str | None) -> JsonObject:
    """A day or a time, as Google writes it."""
    if len(text) == len("2026-03-02"):
        return {"date": text}
    return {"dateTime": text, **({"timeZone": timezone} if timezone else {})}

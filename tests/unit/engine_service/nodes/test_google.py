"""`google.calendar` and `google.sheets` against a calendar and a spreadsheet on loopback."""

from typing import Any

import pytest

from engine_service.nodes.google_calendar import GoogleCalendar
from engine_service.nodes.google_sheets import GoogleSheets
from engine_service.sdk.node import Done, Failed, Outcome
from shared.workflow import JsonObject
from tests.support.connectors import Found, credential, desk
from tests.support.http_server import Answer, Seen
from tests.support.run_node import given, jsons, run_action, services
from tests.support.vendors.google import TOKEN, FakeCalendar, FakeSheets, no

BEARER = credential("http.bearer", {"token": TOKEN}, "*.googleapis.com")
NINE, TEN = "2026-03-02T09:00:00", "2026-03-02T10:00:00"


async def calendar(fake: FakeCalendar, operation: str, **fields: Any) -> Outcome:
    async with desk(fake) as office:
        return await office.run(GoogleCalendar, {"operation": operation, **fields}, BEARER)


async def sheets(fake: FakeSheets, operation: str, *rows: JsonObject, **fields: Any) -> Outcome:
    """Run the node with these items."""
    parameters = {"operation": operation, "spreadsheet_id": "book", **fields}
    async with desk(fake) as office:
        what = given(GoogleSheets, parameters, [{"json": row} for row in rows or ({},)])
        world = services(http=office.http, credentials=Found([BEARER]))
        return await run_action(GoogleSheets, what, world)


# --- calendar


async def test_an_event_is_created_changed_and_deleted() -> None:
    fake = FakeCalendar()
    [made] = jsons(await calendar(
        fake, "create", summary="Call", start=NINE, end=TEN, timezone="Europe/Berlin",
        attendees=["ada@example.com"], sendUpdates="all", more={"colorId": "3"},
    ))  # fmt: skip
    sent = fake.seen[-1]
    assert sent.query == {"sendUpdates": "all"}
    assert sent.json() == {
        "id": made["id"], "summary": "Call", "colorId": "3",
        "start": {"dateTime": NINE, "timeZone": "Europe/Berlin"},
        "end": {"dateTime": TEN, "timeZone": "Europe/Berlin"},
        "attendees": [{"email": "ada@example.com"}],
    }  # fmt: skip
    await calendar(fake, "update", event_id=made["id"], start="2026-03-03", end="2026-03-04")
    days = {"start": {"date": "2026-03-03"}, "end": {"date": "2026-03-04"}}
    assert fake.seen[-1].json() == days
    await calendar(fake, "delete", event_id=made["id"])
    gone = await calendar(fake, "get", event_id=made["id"])
    assert isinstance(gone, Failed)
    assert gone.code == "not_found"


async def test_an_event_whose_answer_was_lost_is_not_created_twice() -> None:
    class Losing(FakeCalendar):
        def answer(self, seen: Seen) -> Answer:
            answer = super().answer(seen)
            return Answer(502, {"retry-after": "0"}) if len(self.seen) == 1 else answer

    fake = Losing()
    [made] = jsons(await calendar(fake, "create", summary="Call", start=NINE, end=TEN))
    assert [event["id"] for event in fake.events.values()] == [made["id"]]
    assert [seen.method for seen in fake.seen] == ["POST", "POST", "GET"]


async def test_events_come_page_by_page() -> None:
    fake = FakeCalendar(events={str(n): {"id": str(n)} for n in range(300)})
    found = await calendar(fake, "list", timeMin="2026-03-02T00:00:00Z", limit=None)
    assert len(jsons(found)) == 300
    assert fake.seen[0].query == {
        "timeMin": "2026-03-02T00:00:00Z", "singleEvents": "true", "orderBy": "startTime",
        "maxResults": "250",
    }  # fmt: skip
    assert fake.seen[1].query["pageToken"] == "250"


async def test_busy_times_are_one_item_per_calendar() -> None:
    fields = {"timeMin": "a", "timeMax": "b", "calendars": ["primary", "team"]}
    found = jsons(await calendar(FakeCalendar(), "freebusy", **fields))
    busy = [{"start": "a", "end": "b"}]
    assert found == [{"calendar": "primary", "busy": busy}, {"calendar": "team", "busy": busy}]


@pytest.mark.parametrize(
    ("reason", "code", "retryable"),
    [("rateLimitExceeded", "rate_limited", True), ("forbidden", "forbidden", False)],
)
async def test_google_tells_limits_by_403_too(reason: str, code: str, retryable: bool) -> None:
    refusal = no(403, "No.", reason)
    refusal.headers["retry-after"] = "100"
    outcome = await calendar(FakeCalendar(spells=[refusal]), "list")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)


# --- sheets


async def test_the_rows_of_all_items_are_appended_in_one_request() -> None:
    fake = FakeSheets(rows=[["Name", "Total"], ["Ada", "1"]])
    rows: list[JsonObject] = [{"Total": 2, "Name": "Bob"}, {"Name": "Cleo", "Note": {"a": 1}}]
    outcome = await sheets(fake, "append", *rows, sheet="Orders")
    assert jsons(outcome) == rows
    assert fake.rows == [
        ["Name", "Total", "Note"], ["Ada", "1"], ["Bob", 2, ""], ["Cleo", "", '{"a":1}'],
    ]  # fmt: skip
    assert [seen.method for seen in fake.seen] == ["GET", "PUT", "POST"]
    assert fake.seen[0].target.startswith("/v4/spreadsheets/book/values/%27Orders%27%211%3A1")


async def test_an_empty_sheet_gets_its_header_first() -> None:
    fake = FakeSheets()
    await sheets(fake, "append", values={"a": 1, "b": True})
    assert fake.rows == [["a", "b"], [1, True]]


async def test_values_without_a_column_are_left_out_or_refused() -> None:
    fake = FakeSheets(rows=[["a"]])
    await sheets(fake, "append", {"a": 1, "b": 2}, extra="ignore")
    assert fake.rows == [["a"], [1]]
    outcome = await sheets(fake, "append", {"a": 1, "b": 2}, extra="error")
    assert isinstance(outcome, Failed)
    assert outcome.code == "unknown_column"
    assert fake.rows == [["a"], [1]]


async def test_rows_are_read_by_their_header() -> None:
    fake = FakeSheets(rows=[["Name", "Open"], ["Ada", "yes"], [], ["Bob"], ["Cleo", "yes"]])
    found = jsons(await sheets(fake, "read", sheet="Orders"))
    assert found[1] == {"row_number": 4, "Name": "Bob", "Open": ""}
    some = jsons(await sheets(fake, "read", where={"Open": "yes"}, limit=1))
    assert some == [{"row_number": 2, "Name": "Ada", "Open": "yes"}]
    part = jsons(await sheets(fake, "read", sheet="Orders", range="A4:B5"))
    assert part == [{"row_number": 5, "Bob": "Cleo"}]


async def test_rows_are_changed_by_key_and_added_when_they_are_new() -> None:
    fake = FakeSheets(rows=[["id", "name", "note"], ["1", "Ada", "x"], ["2", "Bob", "y"]])
    rows: list[JsonObject] = [
        {"id": 2, "name": "Bobby"}, {"id": 3, "name": "Cleo"}, {"id": 3, "note": "new"},
        {"name": "Nobody"},
    ]  # fmt: skip
    outcome = await sheets(fake, "upsert", *rows, key="id")
    assert fake.rows[1:] == [["1", "Ada", "x"], [2, "Bobby", "y"], [3, "Cleo", "new"]]
    assert isinstance(outcome, Done)
    assert [(one.index, one.code) for one in outcome.failures] == [(3, "missing_key")]


async def test_an_update_adds_nothing() -> None:
    fake = FakeSheets(rows=[["id", "name"], ["1", "Ada"]])
    outcome = await sheets(fake, "update", {"id": "1", "name": "Eve"}, {"id": "9"}, key="id")
    assert fake.rows == [["id", "name"], ["1", "Eve"]]
    assert isinstance(outcome, Done)
    assert [(one.index, one.code) for one in outcome.failures] == [(1, "not_found")]


async def test_ranges_are_written_and_cleared_and_sheets_listed() -> None:
    fake = FakeSheets(rows=[["a"], ["b"], ["c"]])
    await sheets(fake, "write", range="Orders!B1", values=[[1], [None]])
    assert fake.rows == [["a", 1], ["b", ""], ["c"]]
    await sheets(fake, "clear", range="Orders!A2:B3")
    assert fake.rows == [["a", 1]]
    assert jsons(await sheets(fake, "sheets")) == [{"sheetId": 0, "title": "Orders"}]


async def test_rows_that_may_be_there_are_not_appended_again() -> None:
    class Losing(FakeSheets):
        def answer(self, seen: Seen) -> Answer:
            answer = super().answer(seen)
            return Answer(500) if seen.path.endswith(":append") else answer

    fake = Losing(rows=[["a"]])
    outcome = await sheets(fake, "append", {"a": 1}, {"a": 2})
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.outcome_known) == ("vendor_unavailable", False)
    assert fake.rows == [["a"], [1], [2]]

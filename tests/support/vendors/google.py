"""Google's APIs: Calendar, Sheets as a grid of cells, and the server of their tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.support.http_server import Answer, Seen
from tests.support.vendors.fake import FakeVendor, Handle

TOKEN = "ya29.an-access-token"
REFRESH = "1//a-refresh-token"
CLIENT: dict[str, Any] = {
    "client_id": "client.apps.example",
    "client_secret": "the-clients-secret",
    "scope": "https://www.googleapis.com/auth/calendar",
}


def no(status: int, message: str, *reasons: str) -> Answer:
    """Google's refusal."""
    rows = [{"reason": reason, "message": message} for reason in reasons]
    return Answer.of_json({"error": {"code": status, "message": message, "errors": rows}}, status)


@dataclass
class FakeTokens(FakeVendor):
    """Gives a new token for the refresh token, and knows which are good."""

    place: str = "https://oauth2.googleapis.com"
    good: set[str] = field(default_factory=lambda: {TOKEN})
    refresh: str = REFRESH

    def routes(self) -> Mapping[str, Handle]:
        return {"POST /token": self._token}

    def refuse(self, seen: Seen) -> Answer | None:
        form = dict(parse_qsl(seen.body.decode()))
        known = {key: form.get(key) for key in ("client_id", "client_secret")}
        if known != {key: CLIENT[key] for key in known}:
            return Answer.of_json({"error": "invalid_client"}, 401)
        return None

    def _token(self, seen: Seen) -> Answer:
        form = dict(parse_qsl(seen.body.decode()))
        if form["grant_type"] != "refresh_token" or form["refresh_token"] != self.refresh:
            return Answer.of_json({"error": "invalid_grant"}, 400)
        token = f"ya29.new-{len(self.seen)}"
        self.good.add(token)
        return Answer.of_json({"access_token": token, "expires_in": 3599, "scope": "calendar"})


@dataclass
class _FakeApi(FakeVendor):
    """An API that takes the tokens of a token server."""

    tokens: FakeTokens = field(default_factory=FakeTokens)

    def refuse(self, seen: Seen) -> Answer | None:
        if seen.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens.good:
            return no(401, "Request had invalid authentication credentials.", "authError")
        return None

    def unknown(self, seen: Seen) -> Answer:
        return no(404, f"Requested entity was not found: {seen.path}", "notFound")


@dataclass
class FakeCalendar(_FakeApi):
    """One calendar, `primary`. An id that is there already is refused."""

    place: str = "https://www.googleapis.com"
    events: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def routes(self) -> Mapping[str, Handle]:
        events = "/calendar/v3/calendars/primary/events"
        return {
            f"POST {events}": self._insert,
            f"GET {events}": self._list,
            f"GET {events}/{{event}}": self._get,
            f"PATCH {events}/{{event}}": self._patch,
            f"DELETE {events}/{{event}}": self._delete,
            "POST /calendar/v3/freeBusy": self._busy,
        }

    def _insert(self, seen: Seen) -> Answer:
        body = seen.json()
        assert re.fullmatch(r"[0-9a-v]{5,1024}", body["id"])
        if body["id"] in self.events:
            return no(409, "The requested identifier already exists.", "duplicate")
        self.events[body["id"]] = {**body, "status": "confirmed"}
        return Answer.of_json(self.events[body["id"]])

    def _list(self, seen: Seen) -> Answer:
        start, size = int(seen.query.get("pageToken", "0")), int(seen.query["maxResults"])
        rows = [*self.events.values()]
        more = {"nextPageToken": str(start + size)} if start + size < len(rows) else {}
        return Answer.of_json({"items": rows[start : start + size], **more})

    def _get(self, seen: Seen, event: str) -> Answer:
        found = self.events.get(event)
        return Answer.of_json(found) if found else self.unknown(seen)

    def _patch(self, seen: Seen, event: str) -> Answer:
        self.events[event].update(seen.json())
        return self._get(seen, event)

    def _delete(self, seen: Seen, event: str) -> Answer:
        return Answer(204) if self.events.pop(event, None) else no(410, "Deleted", "deleted")

    def _busy(self, seen: Seen) -> Answer:
        wanted = [item["id"] for item in seen.json()["items"]]
        busy = [{"start": seen.json()["timeMin"], "end": seen.json()["timeMax"]}]
        return Answer.of_json({"calendars": {one: {"busy": busy} for one in wanted}})


@dataclass
class FakeSheets(_FakeApi):
    """One spreadsheet, `book`, with one sheet, `Orders`: rows of cells."""

    place: str = "https://sheets.googleapis.com"
    rows: list[list[Any]] = field(default_factory=list[list[Any]])

    def routes(self) -> Mapping[str, Handle]:
        values = "/v4/spreadsheets/book/values"
        return {
            f"GET {values}/{{cells}}": self._read,
            f"PUT {values}/{{cells}}": self._write,
            f"POST {values}/{{cells}}:append": self._append,
            f"POST {values}/{{cells}}:clear": self._clear,
            f"POST {values}:batchUpdate": self._batch,
            "GET /v4/spreadsheets/book": self._about,
        }

    def _read(self, seen: Seen, cells: str) -> Answer:
        first, last = _lines(cells)
        rows = self.rows[first - 1 : last]
        return Answer.of_json({"range": cells, **({"values": rows} if rows else {})})

    def _write(self, seen: Seen, cells: str) -> Answer:
        assert seen.query["valueInputOption"] in ("USER_ENTERED", "RAW")
        assert seen.json()["range"] == cells
        self._put(cells, seen.json()["values"])
        return Answer.of_json({"updatedRange": cells})

    def _append(self, seen: Seen, cells: str) -> Answer:
        assert seen.query["insertDataOption"] == "INSERT_ROWS"
        self.rows += seen.json()["values"]
        return Answer.of_json({"updates": {"updatedRows": len(seen.json()["values"])}})

    def _clear(self, seen: Seen, cells: str) -> Answer:
        first, last = _lines(cells)
        del self.rows[first - 1 : last]
        return Answer.of_json({"clearedRange": cells})

    def _batch(self, seen: Seen) -> Answer:
        for change in seen.json()["data"]:
            self._put(change["range"], change["values"])
        return Answer.of_json({"totalUpdatedCells": len(seen.json()["data"])})

    def _about(self, seen: Seen) -> Answer:
        assert seen.query == {"fields": "sheets.properties"}
        return Answer.of_json({"sheets": [{"properties": {"sheetId": 0, "title": "Orders"}}]})

    def _put(self, cells: str, values: list[list[Any]]) -> None:
        corner = re.fullmatch(r"(?:'Orders'!|Orders!)?([A-Z]+)(\d+)(?::[A-Z]+\d+)?", cells)
        assert corner, cells
        column, row = ord(corner[1]) - ord("A"), int(corner[2]) - 1
        while len(self.rows) < row + len(values):
            self.rows.append([])
        for below, line in enumerate(values):
            cells_there = self.rows[row + below]
            cells_there.extend([""] * (column + len(line) - len(cells_there)))
            cells_there[column : column + len(line)] = line


def _lines(cells: str) -> tuple[int, int]:
    """The first and the last row of a range."""
    place = cells.rpartition("!")[2]
    if place in ("'Orders'", "A:ZZZ"):
        return 1, 10_000
    numbers = re.findall(r"\d+", place)
    return (int(numbers[0]), int(numbers[-1])) if numbers else (1, 10_000)

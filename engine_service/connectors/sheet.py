"""One sheet of a Google spreadsheet as a table: a header row that names columns, and rows below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import quote

from engine_service.connectors.asking import Caller
from engine_service.connectors.operation import Call
from engine_service.sdk.node import Effect, Failed, NodeError
from engine_service.values.field_types import to_text
from shared.workflow import JsonObject

Extra = Literal["add", "ignore", "error"]
Input = Literal["USER_ENTERED", "RAW"]


@dataclass(frozen=True, slots=True)
class Place:
    """Which sheet of which spreadsheet, and how its values are written."""

    spreadsheet_id: str
    sheet: str = ""
    header_row: int = 1
    extra: Extra = "add"
    input: Input = "USER_ENTERED"

    def at(self, cells: str) -> str:
        """A range of the sheet in A1 notation; the first sheet when it has no name here."""
        if not self.sheet:
            return cells
        name = "'" + self.sheet.replace("'", "''") + "'"
        return f"{name}!{cells}" if cells else name


@dataclass
class Sheet:
    """The table on a sheet.

    Attributes:
        columns: The names in the header row, as far as they were read.
    """

    caller: Caller
    place: Place
    columns: list[str] = field(default_factory=list[str])

    async def read_columns(self, needed: Sequence[str]) -> None:
        """Read the header row, and add to it what is needed.

        Raises:
            NodeError: It failed, or there is a column too many.
        """
        row = self.place.header_row
        values = await self._values(f"{row}:{row}")
        self.columns = [to_text(value) for value in values[0]] if values else []
        missing = [name for name in dict.fromkeys(needed) if name not in self.columns]
        if not missing or self.place.extra == "ignore":
            return
        if self.place.extra == "error":
            message = f"The sheet has no column {missing[0]!r}."
            raise NodeError(Failed("unknown_column", message))
        first = len(self.columns)
        self.columns += missing
        cells = f"{letters(first)}{row}:{letters(len(self.columns) - 1)}{row}"
        await self.write(self.place.at(cells), [missing])

    async def read_rows(self, cells: str = "", render: str = "FORMATTED_VALUE") -> list[JsonObject]:
        """The rows below the header row, each with its number.

        Raises:
            NodeError: It failed.
        """
        values = await self._values(cells, render)
        header = self.place.header_row - 1 if not cells else 0
        self.columns = [to_text(value) for value in values[header]] if len(values) > header else []
        first = _first_row(cells) + header + 1
        return [
            {"row_number": first + number, **self._named(row)}
            for number, row in enumerate(values[header + 1 :])
            if any(value != "" for value in row)
        ]

    async def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows below the last one.

        Raises:
            NodeError: It failed.
        """
        cells = self.place.at(f"A{self.place.header_row}:{letters(max(len(self.columns), 1) - 1)}")
        call = Call("POST", f"{self._path(cells)}:append", Effect.UNSAFE)
        body = {"majorDimension": "ROWS", "values": [self._in_order(row) for row in rows]}
        await self.caller.ask(
            call,
            body,
            valueInputOption=self.place.input,
            insertDataOption="INSERT_ROWS",
        )

    async def overwrite(self, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Write values into rows by their numbers; columns that are not given stay.

        Raises:
            NodeError: It failed.
        """
        data = [
            {"range": self.place.at(f"{letters(at)}{number}"), "values": [[cell(row[name])]]}
            for number, row in rows.items()
            for at, name in enumerate(self.columns)
            if name in row
        ]
        path = f"/{quote(self.place.spreadsheet_id, safe='')}/values:batchUpdate"
        body = {"valueInputOption": self.place.input, "data": data}
        await self.caller.ask(Call("POST", path, Effect.KEYED), body)

    async def write(self, cells: str, values: Sequence[Sequence[Any]]) -> Any:
        """Write values into a range.

        Raises:
            NodeError: It failed.
        """
        call = Call("PUT", self._path(cells), Effect.KEYED)
        rows = [[cell(value) for value in row] for row in values]
        body = {"range": cells, "majorDimension": "ROWS", "values": rows}
        return await self.caller.ask(call, body, valueInputOption=self.place.input)

    async def _values(self, cells: str, render: str = "FORMATTED_VALUE") -> list[list[Any]]:
        where = self.place.at(cells) or "A:ZZZ"
        call = Call("GET", self._path(where), Effect.READ)
        answer = await self.caller.ask(call, valueRenderOption=render)
        return cast("JsonObject", answer).get("values", []) if isinstance(answer, dict) else []

    def _path(self, cells: str) -> str:
        spreadsheet = quote(self.place.spreadsheet_id, safe="")
        return f"/{spreadsheet}/values/{quote(cells, safe='')}"

    def _named(self, row: Sequence[Any]) -> JsonObject:
        padded = [*row, *[""] * (len(self.columns) - len(row))]
        return {
            name: value for name, value in zip(self.columns, padded, strict=False) if name != ""
        }

    def _in_order(self, row: Mapping[str, Any]) -> list[Any]:
        return [cell(row.get(name, "")) for name in self.columns]


def letters(index: int) -> str:
    """A column's letters by its index from 0: A, …, Z, AA."""
    named = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        named = chr(ord("A") + rest) + named
    return named


def cell(value: Any) -> Any:
    """A value as a cell takes it."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float | bool) else to_text(value)


def _first_row(cells: str) -> int:
    """The number of the row that a range begins with."""
    digits = "".join(sign for sign in cells.partition(":")[0] if sign.isdigit())
    return int(digits) if digits else 1

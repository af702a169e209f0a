"""`google.sheets`: rows of a Google spreadsheet, read and written as items."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast
from urllib.parse import quote

from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import Connector
from engine_service.connectors.google import CREDENTIAL_TYPES, google
from engine_service.connectors.operation import OPERATION, Call, Choice, Operation
from engine_service.connectors.sheet import Extra, Input, Place, Sheet
from engine_service.sdk.node import (
    MAIN,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    Outcome,
    Services,
)
from engine_service.values.field_types import to_text
from shared.workflow import Item, JsonObject

_ROW: JsonObject = {"row_number": 2, "Name": "Ada", "Total": "12.5"}
_VALUES = "/{spreadsheet_id}/values/{range}"
_RANGE = Field(min_length=1, description="Cells in A1 notation: `Orders!A1:C10`")


class _InSpreadsheet(Operation):
    """Which spreadsheet."""

    spreadsheet_id: str = Field(
        min_length=1, max_length=200, description="The spreadsheet's id, from its address"
    )


class _InSheet(_InSpreadsheet):
    """Which sheet, as a table."""

    sheet: str = Field(
        default="", max_length=200, description="The sheet's name; the first one when empty"
    )
    header_row: int = Field(default=1, ge=1, description="The row that names the columns")

    def to_place(self) -> Place:
        return Place(self.spreadsheet_id, self.sheet, self.header_row)


class _Writing(_InSheet):
    """What is written."""

    values: dict[str, Any] | None = Field(
        default=None, description="Values by column; the item's own fields when not given"
    )
    extra: Extra = Field(
        default="add", description="What becomes of values without a column: a new one, or not"
    )
    input: Input = Field(
        default="USER_ENTERED",
        description="Whether texts are read as if somebody typed them, or stay texts",
    )
    sample = _ROW

    def to_place(self) -> Place:
        return Place(self.spreadsheet_id, self.sheet, self.header_row, self.extra, self.input)


class ReadRows(_InSheet):
    """Reads the rows of a sheet, one item per row, by the names in its header row."""

    operation: Literal["read"] = OPERATION
    range: str = Field(
        default="", description="Only these cells, such as `A1:C10`, whose first row is the header"
    )
    where: dict[str, Any] | None = Field(
        default=None, description="Only rows with these values, by column"
    )
    render: Literal["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"] = Field(
        default="FORMATTED_VALUE", description="Values as they are shown, as they are, or formulas"
    )
    limit: int | None = Field(default=None, ge=1, description="At most this many rows")
    call = Call("GET", _VALUES, Effect.READ)
    sample = _ROW

    def to_path(self) -> str:
        cells = self.to_place().at(self.range) or "A:ZZZ"
        return f"/{quote(self.spreadsheet_id, safe='')}/values/{quote(cells, safe='')}"


class AppendRow(_Writing):
    """Adds a row below the others; the rows of all items go in one request."""

    operation: Literal["append"] = OPERATION
    call = Call("POST", "/{spreadsheet_id}/values/{sheet}:append")

    def to_path(self) -> str:
        return f"/{quote(self.spreadsheet_id, safe='')}/values/{quote(self.sheet or 'A1')}:append"


class UpsertRow(_Writing):
    """Changes the row that has the same value in the key column, or adds one."""

    operation: Literal["upsert"] = OPERATION
    key: str = Field(min_length=1, description="The column that tells rows apart")
    call = Call("POST", "/{spreadsheet_id}/values:batchUpdate", Effect.KEYED)


class UpdateRow(_Writing):
    """Changes the row that has the same value in the key column."""

    operation: Literal["update"] = OPERATION
    key: str = Field(min_length=1, description="The column that tells rows apart")
    call = Call("POST", "/{spreadsheet_id}/values:batchUpdate", Effect.KEYED)


class WriteRange(_InSpreadsheet):
    """Writes values into cells, as they are given."""

    operation: Literal["write"] = OPERATION
    range: str = _RANGE
    values: list[list[Any]] = Field(min_length=1, description="Rows of values")
    input: Input = Field(
        default="USER_ENTERED", description="Whether texts are read as if somebody typed them"
    )
    call = Call("PUT", _VALUES, Effect.KEYED)
    sample: ClassVar[JsonObject] = {"updatedRange": "Orders!A1:C1", "updatedCells": 3}


class ClearRange(_InSpreadsheet):
    """Empties cells."""

    operation: Literal["clear"] = OPERATION
    range: str = _RANGE
    call = Call("POST", f"{_VALUES}:clear", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"clearedRange": "Orders!A2:C100"}


class ListSheets(_InSpreadsheet):
    """Lists the sheets of a spreadsheet."""

    operation: Literal["sheets"] = OPERATION
    call = Call(
        "GET", "/{spreadsheet_id}", Effect.READ, fixed={"fields": "sheets.properties"},
        items="sheets",
    )  # fmt: skip
    sample: ClassVar[JsonObject] = {"sheetId": 0, "title": "Orders", "index": 0}

    def shown(self, member: Any) -> Any:
        return cast("JsonObject", member).get("properties", {})


class CreateSpreadsheet(Operation):
    """Creates a spreadsheet."""

    operation: Literal["create"] = OPERATION
    title: str = Field(min_length=1, description="What it is called")
    sheets: list[str] | None = Field(default=None, description="The names of its sheets")
    call = Call("POST", "")
    sample: ClassVar[JsonObject] = {"spreadsheetId": "1A2b3C", "spreadsheetUrl": "https://…"}

    def to_body(self) -> Any:
        sheets = [{"properties": {"title": name}} for name in self.sheets or ()]
        return {"properties": {"title": self.title}, **({"sheets": sheets} if sheets else {})}


class SheetsParameters(Choice):
    """What to do with which spreadsheet."""

    operations = (
        ReadRows, AppendRow, UpsertRow, UpdateRow, WriteRange, ClearRange, ListSheets,
        CreateSpreadsheet,
    )  # fmt: skip


SHEETS = google("Google Sheets", "https://sheets.googleapis.com/v4/spreadsheets")


class GoogleSheets(Connector):
    """Reads and writes rows of a Google spreadsheet by the names of its columns.

    `operation` says what to do: `read` rows as items (with their `row_number`; `where` keeps those
    with certain values), `append` a row for each item, `upsert` or `update` the row whose `key`
    column has the item's value, `write` or `clear` a range, list the `sheets`, `create` a
    spreadsheet. Rows are the fields of the items unless `values` says others; a value without a
    column gets a new one, unless `extra` says `ignore` or `error`.

    The credential is a `google.account` with the scope
    `https://www.googleapis.com/auth/spreadsheets`; its token is renewed when it has run out.
    Refusals fail the items as `not_authenticated`, `forbidden`, `not_found`, `refused` or
    `rate_limited`; short limits are waited out. Rows whose fate is not known after a lost
    connection are not appended twice.
    """

    Parameters = SheetsParameters
    vendor = SHEETS
    type = "google.sheets"
    title = "Google Sheets"
    credential_types = CREDENTIAL_TYPES
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "append", "spreadsheet_id": "1A2b3C4d5E", "sheet": "Orders",
         "values": {"Customer": "{{ $json.customer }}", "Total": "{{ $json.total }}"}},
        {"operation": "read", "spreadsheet_id": "1A2b3C4d5E", "sheet": "Orders",
         "where": {"Status": "open"}},
        {"operation": "upsert", "spreadsheet_id": "1A2b3C4d5E", "sheet": "People", "key": "email",
         "values": {"email": "{{ $json.email }}", "name": "{{ $json.name }}"}},
    )  # fmt: skip
    keywords = (
        "google sheets", "sheets", "spreadsheet", "append row", "add a row", "read rows", "gsheet",
        "update row", "table in google", "谷歌表格", "电子表格", "表格", "追加一行", "写入表格",
    )  # fmt: skip

    async def run(self, given: NodeInput[Operation], services: Services) -> Outcome:
        if not given.items or not isinstance(given.parameters_for(0), _Writing):
            return await super().run(given, services)
        caller = await self.caller(services)
        made: list[Item] = []
        failures: list[ItemFailure] = []
        failed: list[Failed] = []
        for number, (indexes, operation) in enumerate(_groups(given)):
            rows = {index: _row_of(given, index) for index in indexes}
            own = caller.for_item(number) if number else caller
            try:
                lost = await _write(operation, rows, own)
            except NodeError as error:
                failed.append(error.failure)
                lost = dict.fromkeys(indexes, error.failure)
            failures += [ItemFailure(i, lost[i].code, lost[i].message) for i in sorted(lost)]
            made += [
                {"json": dict(row), "paired_item": index}
                for index, row in rows.items()
                if index not in lost
            ]
        if failed and not made:
            return min(failed, key=lambda failure: failure.outcome_known)
        return Done({MAIN: made}, failures)

    async def perform(self, operation: Operation, caller: Caller) -> list[Any]:
        match operation:
            case ReadRows():
                rows = await Sheet(caller, operation.to_place()).read_rows(
                    operation.range, operation.render
                )
                wanted = operation.where or {}
                kept = [row for row in rows if _matches(row, wanted)]
                return kept[: operation.limit]
            case WriteRange():
                place = Place(operation.spreadsheet_id, input=operation.input)
                return [await Sheet(caller, place).write(operation.range, operation.values)]
            case _:
                return await caller.perform(operation)


def _groups(given: NodeInput[Operation]) -> Sequence[tuple[list[int], _Writing]]:
    """Items that go to the same sheet in the same way, in their order."""
    groups: dict[str, tuple[list[int], _Writing]] = {}
    for index in range(len(given.items)):
        operation = given.parameters_for(index)
        assert isinstance(operation, _Writing)
        where = operation.model_dump_json(exclude={"values"})
        groups.setdefault(where, ([], operation))[0].append(index)
    return list(groups.values())


def _row_of(given: NodeInput[Operation], index: int) -> Mapping[str, Any]:
    operation = given.parameters_for(index)
    assert isinstance(operation, _Writing)
    own = given.items[index]["json"]
    return own if operation.values is None else operation.values


async def _write(
    operation: _Writing, rows: Mapping[int, Mapping[str, Any]], caller: Caller
) -> dict[int, Failed]:
    """Write the rows of items; those that could not be, and why.

    Raises:
        NodeError: None could be.
    """
    sheet = Sheet(caller, operation.to_place())
    needed = [name for row in rows.values() for name in row if name != "row_number"]
    if isinstance(operation, AppendRow):
        await sheet.read_columns(needed)
        await sheet.append(list(rows.values()))
        return {}
    assert isinstance(operation, UpsertRow | UpdateRow)
    known = {to_text(row.get(operation.key, "")): row for row in reversed(await sheet.read_rows())}
    await sheet.read_columns([*needed, operation.key])
    changed: dict[int, dict[str, Any]] = {}
    added: dict[str, dict[str, Any]] = {}
    lost: dict[int, Failed] = {}
    for index, row in rows.items():
        value = to_text(row.get(operation.key, ""))
        if not value:
            message = f"The item has no value for the key column {operation.key!r}."
            lost[index] = Failed("missing_key", message)
        elif value in known:
            changed.setdefault(known[value]["row_number"], {}).update(row)
        elif isinstance(operation, UpsertRow):
            added.setdefault(value, {}).update(row)
        else:
            message = f"No row has {value!r} in the column {operation.key!r}."
            lost[index] = Failed("not_found", message)
    if changed:
        await sheet.overwrite(changed)
    if added:
        await sheet.append(list(added.values()))
    return lost


def _matches(row: JsonObject, wanted: Mapping[str, Any]) -> bool:
    return all(to_text(row.get(name, "")) == to_text(value) for name, value in wanted.items())

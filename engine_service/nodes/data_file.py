"""`data.file`: what files hold becomes items, and items become files."""

import asyncio
import base64
import binascii
import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, ClassVar, Literal, TypeVar, cast

from pydantic import Field

from engine_service.formats import archives, calendars, documents, pages, tables, workbooks
from engine_service.formats.failing import Unreadable
from engine_service.sdk.blob import UNKNOWN_TYPE, Blob, BlobWriter
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.attachments import file_id
from engine_service.values.field_types import to_text
from engine_service.values.paths import get_path, parse_path
from shared.workflow import Item, JsonObject

T = TypeVar("T")
Format = Literal["auto", "csv", "xlsx", "html", "json", "jsonl", "text", "ics", "base64"]
_TYPES: dict[str, tuple[str, str]] = {
    "csv": ("csv", "text/csv"),
    "xlsx": ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "html": ("html", "text/html"),
    "json": ("json", "application/json"),
    "jsonl": ("jsonl", "application/jsonl"),
    "text": ("txt", "text/plain"),
    "ics": ("ics", "text/calendar"),
    "zip": ("zip", "application/zip"),
    "gzip": ("gz", "application/gzip"),
}
_ENDINGS: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "xlsx": "xlsx", "html": "html", "htm": "html", "json": "json",
    "jsonl": "jsonl", "ndjson": "jsonl", "ics": "ics", "txt": "text",
}  # fmt: skip
_TABLES = ("csv", "xlsx", "html")
# Each is looked up when it is wanted: workbooks are imported with the first one (imports.py).
_WRITERS = {
    "csv": lambda: tables.write_csv,
    "xlsx": lambda: workbooks.write_xlsx,
    "html": lambda: pages.write_html,
}


class FileParameters(NodeParameters):
    """What to do with which files."""

    operation: Literal["read", "write", "compress", "decompress"] = Field(
        default="read",
        description="`read` gives items from a file, `write` a file from items; `compress` and "
        "`decompress` pack and unpack files",
    )
    format: Format = Field(
        default="auto",
        description="For read and write: what the file holds; `auto` goes by the file's name when "
        "it is read, and writes CSV",
    )
    file_field: str = Field(
        default="data", min_length=1, max_length=1_000,
        description="The file's name in the item's `binary`; for compress and decompress several, "
        "separated by commas",
    )  # fmt: skip
    output_field: str = Field(
        default="data", min_length=1, max_length=100,
        description="Where a text, base64 or a whole JSON document goes; for compress and "
        "decompress the name of the new file in `binary`",
    )  # fmt: skip
    split_items: bool = Field(
        default=True, description="For JSON: whether a list becomes one item per member"
    )
    per_item: bool = Field(
        default=False, description="For write: a file for each item instead of one for all"
    )
    source_field: str = Field(
        default="",
        description="For write: the field with the text, base64 or JSON; whole items when empty",
    )
    file_name: str = Field(
        default="", max_length=255, description="For write and compress: the new file's name"
    )
    media_type: str = Field(default="", max_length=200, description="For write: another type")
    delimiter: str = Field(
        default="", max_length=1, description="For CSV; a comma, or a tab for .tsv, when empty"
    )
    header: bool = Field(default=True, description="Whether a table's first row names its columns")
    encoding: str = Field(default="utf-8", max_length=40, description="For CSV and text")
    bom: bool = Field(default=False, description="For writing CSV and text: begin with a mark")
    pretty: bool = Field(default=False, description="For writing JSON: indent it")
    skip_rows: int = Field(default=0, ge=0, description="For tables: rows before they begin")
    max_items: int = Field(default=0, ge=0, description="For read: the most items; 0 for all")
    flatten: bool = Field(
        default=False,
        description="For writing tables: nested values get columns of their own, `address.city`",
    )
    keep_empty: bool = Field(
        default=False, description="For XLSX and HTML: keep empty cells, as empty text"
    )
    sheet: str = Field(default="", max_length=31, description="For XLSX; the first when empty")
    archive: Literal["zip", "gzip"] = Field(default="zip", description="For compress: into what")


class DataFile(ActionNode[FileParameters]):
    """Reads files into items, writes items into files, packs and unpacks.

    **Read.** A table (CSV, XLSX, the first one of an HTML page) gives an item for each row, a JSON
    list one for each member, a calendar one for each event; a text, base64 and any other JSON go
    whole into `output_field`.
    Files are read as they stream, whatever their size; the items have to fit an output.

    **Write.** All items become one file, or with `per_item` a file each: `format` says which kind.
    Nested values stand in tables as JSON, or `flatten` gives them columns.

    **Compress and decompress.** ZIP takes several files, gzip makes one of each. What unpacks to
    far more than it is, or to too many files, is refused.
    """

    Parameters = FileParameters
    type = "data.file"
    title = "File"
    effect = Effect.READ
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "read", "format": "csv", "delimiter": ";"},
        {"operation": "write", "format": "xlsx", "file_name": "orders.xlsx"},
        {"operation": "compress", "file_field": "report, invoice", "output_field": "archive"},
    )
    keywords = (
        "file", "csv", "excel", "xlsx", "spreadsheet", "json file", "text file", "ics", "calendar",
        "zip", "unzip", "gzip", "compress", "extract", "convert to file", "export", "import",
        "base64", "attachment", "文件", "表格", "导出", "导入", "压缩", "解压", "附件",
    )  # fmt: skip

    async def run(self, given: NodeInput[FileParameters], services: Services) -> Outcome:
        first = given.parameters[0]
        if first.operation == "write" and not first.per_item:
            try:
                everything = range(len(given.items))
                return Done({MAIN: [await _write(given, everything, services)]})
            except Unreadable as error:
                return Failed("file_unwritable", str(error))
        items: list[Item] = []
        failures: list[ItemFailure] = []
        for index in range(len(given.items)):
            try:
                items += await _handle(given, index, services)
            except NodeError as error:
                failures.append(ItemFailure(index, error.failure.code, error.failure.message))
            except Unreadable as error:
                failures.append(ItemFailure(index, "file_unreadable", str(error)))
        return Done({MAIN: items}, failures)

    def plan(self, parameters: FileParameters) -> str:
        kind = parameters.archive if parameters.operation == "compress" else parameters.format
        return f"{parameters.operation} {parameters.file_field} ({kind})"

    def sample(self, given: NodeInput[FileParameters]) -> Done:
        parameters = given.parameters[0]
        if parameters.operation != "read":
            name = parameters.file_field if parameters.operation == "write" else "data"
            file = {"id": "sample", "file_name": "file", "media_type": UNKNOWN_TYPE, "size": 0}
            return Done({MAIN: [{"json": {}, "binary": {name: file}}]})
        rows: JsonObject = {"column_1": "sample", "column_2": 1}
        whole = {parameters.output_field: "sample"}
        json = rows if parameters.format in (*_TABLES, "auto", "jsonl") else whole
        return Done({MAIN: [{"json": json, "paired_item": n} for n in range(len(given.items))]})


async def _handle(given: NodeInput[FileParameters], index: int, services: Services) -> list[Item]:
    parameters, item = given.parameters_for(index), given.items[index]
    match parameters.operation:
        case "read":
            return await _read(parameters, item, index, services)
        case "write":
            return [await _write(given, [index], services)]
        case "compress":
            files = await _compress(given, index, services)
        case "decompress":
            files = await _decompress(parameters, item, services)
    binary: JsonObject = {**(item.get("binary") or {}), **files}
    return [{"json": item["json"], "binary": binary, "paired_item": index}]


# --- read


async def _read(
    parameters: FileParameters, item: Item, index: int, services: Services
) -> list[Item]:
    blob = await services.blobs.find(file_id(item, parameters.file_field))
    kind = _format_of(blob) if parameters.format == "auto" else parameters.format
    file = await services.blobs.open(blob.id)

    def job(stop: threading.Event) -> list[Item]:
        with file:
            rows = _fitting(_rows(kind, file, parameters, blob), services.most_bytes, stop)
            some = itertools.islice(rows, parameters.max_items or None)
            return [{"json": row, "paired_item": index} for row in some]

    return await _in_thread(services, job)


def _rows(
    kind: Format, file: BinaryIO, parameters: FileParameters, blob: Blob
) -> Iterable[JsonObject]:
    field = parameters.output_field
    match kind:
        case "csv":
            return tables.read_csv(file, _options(parameters, blob.file_name))
        case "xlsx":
            return workbooks.read_xlsx(file, _options(parameters, blob.file_name))
        case "html":
            return pages.read_html(file, _options(parameters, blob.file_name))
        case "json":
            return _json(file, parameters)
        case "jsonl":
            return (_as_object(value, field) for value in documents.read_lines(file))
        case "ics":
            return calendars.read_ics(file)
        case "base64":
            return [{field: base64.b64encode(_whole(file)).decode("ascii")}]
        case "text" | "auto":
            return [{field: documents.read_text(file, parameters.encoding)}]


def _json(file: BinaryIO, parameters: FileParameters) -> Iterator[JsonObject]:
    field = parameters.output_field
    if parameters.split_items:
        return (_as_object(value, field) for value in documents.read_json(file))
    return iter([{field: documents.read_document(file)}])


def _fitting(
    rows: Iterable[JsonObject], most_bytes: int, stop: threading.Event
) -> Iterator[JsonObject]:
    """The rows, as long as they fit an output; what is no text counts for little."""
    size = 0
    for row in rows:
        size += 24 + sum(
            len(name) + (len(value) if isinstance(value, str) else 8) for name, value in row.items()
        )
        if size > most_bytes or stop.is_set():
            message = "The file holds more than an output may; read it in parts with `max_items`."
            raise NodeError(Failed("output_too_large", message))
        yield row


def _as_object(value: Any, field: str) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {field: value}


def _whole(file: BinaryIO) -> bytes:
    data = file.read(documents.MOST_WHOLE + 1)
    if len(data) > documents.MOST_WHOLE:
        raise Unreadable("The file is too large to stand in an item.")
    return data


def _format_of(blob: Blob) -> Format:
    ending = blob.file_name.rpartition(".")[2].lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    by_type: dict[str, Format] = {
        media: cast("Format", kind) for kind, (_, media) in _TYPES.items() if kind in _ENDINGS
    }
    return by_type.get(blob.media_type, "text")


def _options(parameters: FileParameters, file_name: str) -> tables.TableOptions:
    usual = "\t" if file_name.lower().endswith(".tsv") else ","
    return tables.TableOptions(
        parameters.delimiter or usual,
        parameters.header,
        parameters.encoding,
        parameters.bom,
        parameters.skip_rows,
        parameters.keep_empty,
        parameters.sheet,
    )


# --- write


async def _write(
    given: NodeInput[FileParameters], indexes: Sequence[int], services: Services
) -> Item:
    parameters = given.parameters_for(indexes[0] if indexes else 0)
    kind = "csv" if parameters.format == "auto" else parameters.format
    ending, media_type = _TYPES.get(kind, ("bin", UNKNOWN_TYPE))
    name = parameters.file_name or f"file.{ending}"
    rows = [given.items[index]["json"] for index in indexes]
    async with services.blobs.create(name, parameters.media_type or media_type) as writer:
        await _in_thread(services, lambda _: _fill(kind, rows, writer, parameters, given))
    files = {parameters.file_field: writer.blob.reference()}
    paired: Any = indexes[0] if len(indexes) == 1 else [{"item": index} for index in indexes]
    return {"json": {}, "binary": files, "paired_item": paired}


def _fill(
    kind: str,
    rows: list[JsonObject],
    writer: BlobWriter,
    parameters: FileParameters,
    given: NodeInput[FileParameters],
) -> None:
    source = parameters.source_field
    if parameters.flatten:
        rows = [tables.flattened(row) for row in rows]
    values: list[Any] = [_value(row, source) for row in rows] if source else list(rows)
    match kind:
        case "csv" | "xlsx" | "html":
            _WRITERS[kind]()(rows, writer.write, _options(parameters, parameters.file_name))
        case "json" if parameters.per_item:
            documents.write_value(values[0], writer.write, pretty=parameters.pretty)
        case "json":
            documents.write_list(values, writer.write, pretty=parameters.pretty)
        case "jsonl":
            documents.write_lines(values, writer.write)
        case "ics":
            writer.write(calendars.write_ics(rows, given.now))
        case "base64":
            for value in values:
                writer.write(_decoded(value))
        case _:
            mark = "\ufeff" if parameters.bom else ""
            text = mark + "\n".join(to_text(value) for value in values)
            writer.write(tables.encoded(text, parameters.encoding))


def _value(row: JsonObject, source: str) -> Any:
    found, value = get_path(row, parse_path(source))
    if not found:
        raise Unreadable(f"The item has no field {source!r}.")
    return value


def _decoded(value: Any) -> bytes:
    text = to_text(value)
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Unreadable("The field holds no base64.") from error


# --- compress and decompress


def _names(parameters: FileParameters) -> list[str]:
    return [name.strip() for name in parameters.file_field.split(",") if name.strip()]


async def _compress(given: NodeInput[FileParameters], index: int, services: Services) -> JsonObject:
    parameters, item, now = given.parameters_for(index), given.items[index], given.now
    found = [await services.blobs.find(file_id(item, name)) for name in _names(parameters)]
    opened = [(blob.file_name, await services.blobs.open(blob.id)) for blob in found]
    files: JsonObject = {}
    if parameters.archive == "zip":
        name = parameters.file_name or "files.zip"
        async with services.blobs.create(name, "application/zip") as writer:
            write = writer.write
            await _in_thread(services, lambda _: archives.write_zip(opened, write, now))
        return {parameters.output_field: writer.blob.reference()}
    for place, (name, file) in enumerate(opened):
        packed = parameters.file_name if len(opened) == 1 else ""
        async with services.blobs.create(packed or f"{name}.gz", "application/gzip") as writer:
            job = functools.partial(archives.write_gzip, name, file, writer.write, now)
            await _in_thread(services, lambda _, job=job: job())
        files[_numbered(parameters.output_field, place, len(opened))] = writer.blob.reference()
    return files


async def _decompress(parameters: FileParameters, item: Item, services: Services) -> JsonObject:
    unpacked: list[JsonObject] = []
    for name in _names(parameters):
        blob = await services.blobs.find(file_id(item, name))
        file = await services.blobs.open(blob.id)
        if blob.file_name.lower().endswith(".gz") or blob.media_type == "application/gzip":
            inner = blob.file_name[:-3] if blob.file_name.lower().endswith(".gz") else "file"
            job = functools.partial(archives.read_gzip, file, blob.size)
            unpacked.append(await _unpack(services, inner, job))
            continue
        for entry in await _in_thread(services, lambda _, file=file: archives.list_zip(file)):
            name = archives.base_name(entry)
            job = functools.partial(archives.read_zip, file, entry)
            unpacked.append(await _unpack(services, name, job))
    field = parameters.output_field
    return {_numbered(field, place, len(unpacked)): one for place, one in enumerate(unpacked)}


async def _unpack(
    services: Services, name: str, job: Callable[[Callable[[bytes], int]], None]
) -> JsonObject:
    ending = name.rpartition(".")[2].lower()
    kind = _ENDINGS.get(ending, ending)
    media_type = _TYPES.get(kind, ("", UNKNOWN_TYPE))[1]
    async with services.blobs.create(name, media_type) as writer:
        write = writer.write
        await _in_thread(services, lambda _: job(write))
    return writer.blob.reference()


def _numbered(field: str, place: int, count: int) -> str:
    return field if count == 1 else f"{field}_{place}"


async def _in_thread(services: Services, job: Callable[[threading.Event], T]) -> T:
    """Run a job, which looks now and then whether it should stop."""
    stop = threading.Event()
    try:
        return await services.blobs.work(lambda: job(stop))
    except asyncio.CancelledError:
        stop.set()
        raise

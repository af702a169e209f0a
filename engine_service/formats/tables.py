"""Tables: CSV to objects and back, row by row, from within a thread; `workbooks.py` has XLSX."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from engine_service.encoding import encode
from engine_service.formats.failing import Unreadable
from shared.workflow import JsonObject

Write = Callable[[bytes], int]

_LARGEST_CELL = 10_000_000
_PIECE = 256 * 1024
csv.field_size_limit(_LARGEST_CELL)


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How a table is written down.

    Attributes:
        skip: Lines before it begins.
        keep_empty: Whether empty cells of a workbook are kept, as empty texts.
        sheet: Which sheet; the first one when empty.
    """

    delimiter: str = ","
    header: bool = True
    encoding: str = "utf-8"
    bom: bool = False
    skip: int = 0
    keep_empty: bool = False
    sheet: str = ""


def read_csv(file: BinaryIO, options: TableOptions) -> Iterator[JsonObject]:
    """The rows of a CSV file; without a header, columns are `column_1` and so on.

    Raises:
        Unreadable: It is no such table.
    """
    encoding = "utf-8-sig" if options.encoding.lower() in ("utf-8", "utf8") else options.encoding
    try:
        with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
            rows = csv.reader(text, delimiter=options.delimiter)
            yield from objects_of(rows, options)
    except (UnicodeError, LookupError) as error:
        raise Unreadable(f"The text is not in {options.encoding}.") from error
    except csv.Error as error:
        raise Unreadable(f"The file is no CSV: {error}.") from error


def write_csv(rows: Iterable[JsonObject], write: Write, options: TableOptions) -> None:
    """Write objects as CSV; columns are all their fields, in the order in which they appear.

    Raises:
        Unreadable: A text cannot be said in this encoding.
    """
    kept = rows if isinstance(rows, Sequence) else list(rows)
    columns = columns_of(kept)
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer, delimiter=options.delimiter, lineterminator="\n")
    if options.bom and options.encoding.lower().startswith("utf"):
        buffer.write("\ufeff")
    try:
        if options.header:
            lines.writerow(columns)
        for row in kept:
            lines.writerow([_cell(row.get(name)) for name in columns])
            if buffer.tell() > _PIECE:
                write(buffer.getvalue().encode(options.encoding))
                buffer.seek(0)
                buffer.truncate()
        write(buffer.getvalue().encode(options.encoding))
    except (UnicodeError, LookupError) as error:
        raise Unreadable(f"The text cannot be written in {options.encoding}.") from error


def flattened(row: JsonObject) -> JsonObject:
    """An object without depth: `{"a": {"b": 1}, "c": [2]}` becomes `{"a.b": 1, "c.0": 2}`."""
    flat: JsonObject = {}
    waiting: list[tuple[str, Any]] = list(reversed(row.items()))
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, list):
            value = {str(place): each for place, each in enumerate(cast("list[Any]", value))}
        if isinstance(value, dict):
            inner = cast("JsonObject", value).items()
            waiting.extend((f"{name}.{key}", each) for key, each in reversed(inner))
        else:
            flat[name] = value
    return flat


def encoded(text: str, encoding: str) -> bytes:
    """A text in an encoding.

    Raises:
        Unreadable: It cannot be said in it.
    """
    try:
        return text.encode(encoding)
    except (UnicodeError, LookupError) as error:
        raise Unreadable(f"The text cannot be written in {encoding}.") from error


def cell_text(value: Any) -> str:
    """A value as it stands in a cell."""
    return "" if value is None else str(_cell(value))


def columns_of(rows: Iterable[JsonObject]) -> list[str]:
    """All fields of all rows."""
    return list(dict.fromkeys(name for row in rows for name in row))


def objects_of(rows: Iterator[Sequence[Any]], options: TableOptions) -> Iterator[JsonObject]:
    """Rows of cells as objects, under the names that their header gives."""
    for _ in range(options.skip):
        next(rows, None)
    names: list[str] = []
    if options.header:
        for first in rows:
            if any(cell not in (None, "") for cell in first):
                names = _names(first)
                break
    for row in rows:
        if not any(cell not in (None, "") for cell in row):
            continue
        if len(row) > len(names):
            names += [f"column_{place + 1}" for place in range(len(names), len(row))]
        yield dict(zip(names, row, strict=False))


def _names(first: Sequence[Any]) -> list[str]:
    """Names of columns, each of its own: a second `name` is `name_1`."""
    names: list[str] = []
    for place, cell in enumerate(first):
        name = str(cell).strip() if cell not in (None, "") else f"column_{place + 1}"
        free, number = name, 0
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    return names


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return encode(value) if isinstance(value, dict | list) else value

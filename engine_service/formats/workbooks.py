"""Workbooks: XLSX to objects and back, row by row, from within a thread."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from engine_service.encoding import encode
from engine_service.formats.failing import Unreadable
from engine_service.formats.tables import TableOptions, Write, columns_of, objects_of
from shared.workflow import JsonObject

_MOST_UNPACKED = 512 * 1024 * 1024
_MOST_WORDS = 64 * 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024
_PIECE = 256 * 1024
_MOST_CHARACTERS = 32_767  # of a cell


def read_xlsx(file: BinaryIO, options: TableOptions) -> Iterator[JsonObject]:
    """The rows of one sheet of a workbook; dates are ISO texts.

    Raises:
        Unreadable: It is none, has no such sheet, or unpacks to too much.
    """
    _check_workbook(file)
    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Unreadable("The file is no XLSX workbook.") from error
    try:
        if options.sheet and options.sheet not in book.sheetnames:
            had = ", ".join(book.sheetnames)
            raise Unreadable(f"There is no sheet {options.sheet!r}; there are: {had}.")
        sheet: Any = book[options.sheet] if options.sheet else book.worksheets[0]
        for row in objects_of(sheet.iter_rows(values_only=True), options):
            yield {
                name: _plain(value)
                for name, value in row.items()
                if value is not None or options.keep_empty
            }
    finally:
        book.close()


def write_xlsx(rows: Iterable[JsonObject], write: Write, options: TableOptions) -> None:
    """Write objects as a workbook with one sheet."""
    kept = rows if isinstance(rows, Sequence) else list(rows)
    columns = columns_of(kept)
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet(options.sheet or "Sheet")
    if options.header:
        sheet.append(columns)
    for row in kept:
        sheet.append([_cell(row.get(name)) for name in columns])
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as packed:
        book.save(cast("Any", packed))
        packed.seek(0)
        while piece := packed.read(_PIECE):
            write(piece)


def _check_workbook(file: BinaryIO) -> None:
    """Refuse what would unpack to too much."""
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise Unreadable("The file is no XLSX workbook.") from error
    words = sizes.get("xl/sharedStrings.xml", 0)
    if sum(sizes.values()) > _MOST_UNPACKED or words > _MOST_WORDS:
        raise Unreadable("The workbook unpacks to more than can be read.")
    file.seek(0)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return "" if value is None else value


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = encode(value)
    if isinstance(value, str):
        value = "".join(sign for sign in value if sign >= " " or sign in "\t\n\r")
        return value[:_MOST_CHARACTERS]
    return value

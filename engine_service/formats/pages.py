"""Tables in pages: the first table of an HTML document to objects, and objects to a page."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from engine_service.formats.documents import read_text
from engine_service.formats.failing import Unreadable
from engine_service.formats.tables import (
    TableOptions,
    Write,
    cell_text,
    columns_of,
    encoded,
    objects_of,
)
from engine_service.values.markup import BadMarkup, parse_html, select, text_of
from shared.workflow import JsonObject

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII)


def read_html(file: BinaryIO, options: TableOptions) -> Iterator[JsonObject]:
    """The rows of the first table of a page; what is written as a number is one.

    Raises:
        Unreadable: It has no table, or is too large.
    """
    try:
        document = parse_html(read_text(file, options.encoding))
        found = select(document, "table")
    except BadMarkup as error:
        raise Unreadable(f"The page cannot be read: {error}.") from error
    if not found:
        raise Unreadable("The page has no table.")
    rows = (
        [_value(text_of(cell).strip()) for cell in row.css("td, th")] for row in found[0].css("tr")
    )
    for row in objects_of(rows, options):
        yield {name: value for name, value in row.items() if value != "" or options.keep_empty}


def write_html(rows: Sequence[JsonObject], write: Write, options: TableOptions) -> None:
    """Write objects as a page with one table; columns are all their fields.

    Raises:
        Unreadable: A text cannot be said in this encoding.
    """
    columns = columns_of(rows)
    lines = [_row(columns)] if options.header else []
    lines += [_row([cell_text(row.get(name)) for name in columns]) for row in rows]
    title = html.escape(options.sheet or "Table")
    head = f'<head><meta charset="{html.escape(options.encoding)}"><title>{title}</title></head>'
    page = f"<!DOCTYPE html>\n<html>{head}<body><table>\n{''.join(lines)}</table></body></html>\n"
    write(encoded(page, options.encoding))


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>\n"


def _value(text: str) -> str | int | float:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)

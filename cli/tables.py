"""Lists for people: aligned columns without lines, fitted to the terminal.

An id is never broken, because people copy it: where the terminal is narrow, titles are shortened
first, then the columns that matter least are left out. `--json` always has everything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

_GAP = 2
_SHORTEST_TITLE = 12


def text(value: object) -> Text:
    """A cell with a value as it is."""
    return Text("" if value is None else str(value))


def moment(value: object) -> Text:
    """A cell with a time: local, to the second."""
    return Text(local_time(str(value)) if value else "")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Attributes:
        field: What it shows of each row.
        heading: What stands above it.
        weight: The column of the least weight is left out first; of 0, never.
        flexible: Whether its values may be shortened.
    """

    field: str
    heading: str
    weight: int = 0
    flexible: bool = False
    show: Callable[[Any], Text] = text


def print_fitted(
    console: Console, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]
) -> None:
    """Print the rows as a table that is as wide as the console, if that is possible at all."""
    width = console.width
    shown = {column: [column.show(row.get(column.field)) for row in rows] for column in columns}
    widths = {
        column: max(cell_len(column.heading), *(cell_len(cell.plain) for cell in cells))
        for column, cells in shown.items()
    }
    kept = list(columns)
    while _least(kept, widths) > width and (spare := [one for one in kept if one.weight]):
        kept.remove(min(spare, key=lambda one: one.weight))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    spare_width = max(0, width - _least(kept, widths))
    for column in kept:
        given = widths[column]
        if column.flexible:
            least = min(given, _SHORTEST_TITLE)
            given = min(given, least + spare_width)
            spare_width -= given - least
        table.add_column(column.heading, no_wrap=True, overflow="ellipsis", width=given)
    for cells in zip(*(shown[column] for column in kept), strict=True):
        table.add_row(*cells)
    console.print(table)


def local_time(value: str) -> str:
    """A moment as the people at this machine say it."""
    return f"{datetime.fromisoformat(value).astimezone():%Y-%m-%d %H:%M:%S}"


def _least(columns: Sequence[Column], widths: Mapping[Column, int]) -> int:
    """How wide a table is at least, with its flexible columns as short as they may be."""
    return sum(
        min(widths[one], _SHORTEST_TITLE) if one.flexible else widths[one] for one in columns
    ) + _GAP * (len(columns) - 1)

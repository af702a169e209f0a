"""A figure and the table it ends in."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, with its unit in the text."""

    what: str
    value: str
    detail: str = ""


def show(title: str, figures: Iterable[Figure]) -> None:
    """Print the figures as a table."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "median", "detail"):
        table.add_column(column, overflow="fold")
    for figure in figures:
        table.add_row(figure.what, figure.value, figure.detail)
    Console(width=120).print(table)

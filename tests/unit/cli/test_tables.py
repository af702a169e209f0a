"""Lists on narrow and wide terminals, and what stands in their cells."""

import io
import os
import time

import pytest
from rich.console import Console
from rich.text import Text

from cli.tables import Column, local_time, moment, print_fitted

ID = "wf_01k9z3zjv5d8t2m0q6x4n7b1ce"
ROWS = [
    {"id": ID, "name": "Every weekday at nine fetch the status page", "active": 3, "kind": "api"},
    {"id": ID[::-1], "name": "短い 名前", "active": None, "kind": "schedule"},
]
COLUMNS = (
    Column("id", "id"),
    Column("name", "name", weight=3, flexible=True),
    Column("active", "active", weight=2, show=lambda value: Text(str(value or "–"))),
    Column("kind", "kind", weight=1),
)


def drawn(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_fitted(console, ROWS, COLUMNS)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [200, 80, 60, 46, 30])
def test_an_id_is_never_broken(width: int) -> None:
    for row in ROWS:
        assert str(row["id"]) in drawn(width)


def test_the_least_of_the_columns_goes_first() -> None:
    assert "schedule" in drawn(80)
    narrow = drawn(52)
    assert "kind" not in narrow
    assert "active" in narrow
    assert "active" not in drawn(46)
    assert "Every weekday" in drawn(46)


def test_titles_are_shortened_before_columns_are_left_out() -> None:
    assert "Every weekday at nine fetch the status page" in drawn(100)
    assert "…" in drawn(70)
    assert "schedule" in drawn(70)


def test_times_are_local_and_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    time.tzset()
    assert local_time("2026-03-01T20:15:30.123456Z") == "2026-03-02 05:15:30"
    assert moment(None).plain == ""
    monkeypatch.undo()
    time.tzset()

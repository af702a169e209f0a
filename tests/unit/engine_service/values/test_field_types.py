"""How values become what a person asked for, beyond what was recorded of others."""

import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine_service.values.dates import parse_date
from engine_service.values.field_types import FieldType, NotOfType, convert, describe, same, to_text

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", "2026-01-01T00:00:00+01:00"),
        ("2026-07", "2026-07-01T00:00:00+02:00"),
        ("2026-07-04", "2026-07-04T00:00:00+02:00"),
        ("20260704T1015", "2026-07-04T10:15:00+02:00"),
        ("2026-W27-6", "2026-07-04T00:00:00+02:00"),
        ("2026-185", "2026-07-04T00:00:00+02:00"),
        ("2026185T10:00", "2026-07-04T10:00:00+02:00"),
        ("2026-07-04T24:00", "2026-07-05T00:00:00+02:00"),
        ("2026-07-04 10:15:30.5", "2026-07-04T10:15:30.500000+02:00"),
        ("2026-07-04 10:15 Asia/Tokyo", "2026-07-04T10:15:00+09:00"),
        ("2026-07-04T10:15:00Z", "2026-07-04T10:15:00+00:00"),
        ("Sat, 04 Jul 2026 10:15:00 GMT", "2026-07-04T10:15:00+00:00"),
        ("4 Jul 2026 10:15:00 +0500", "2026-07-04T10:15:00+05:00"),
        ("July 4, 2026", "2026-07-04T00:00:00+02:00"),
        ("7/4/2026", "2026-07-04T00:00:00+02:00"),
        (" 2026-07-04 ", "2026-07-04T00:00:00+02:00"),
    ],
)
def test_a_date_is_read_in_many_spellings(text: str, expected: str) -> None:
    moment = parse_date(text, BERLIN)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "12", "12:30", "2026-13-01", "2026-02-30", "2026-366", "true", "1700000000000",
     "next friday", "2026-07-04 10:15 Mars/Base", "x" * 10_000],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text, BERLIN) is None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("", "number", 0),
        ("  ", "number", 0),
        ("1e3", "number", 1000),
        (".5", "number", 0.5),
        ("-Infinity", "number", -math.inf),
        ("0b101", "number", 5),
        (True, "number", 1),
        ([], "number", 0),
        (["7"], "number", 7),
        ("9007199254740993", "number", 9007199254740992.0),
        ([1, "a"], "string", '[1,"a"]'),
        (1e21, "string", "1e+21"),
        (1e-7, "string", "1e-7"),
        (math.nan, "string", "NaN"),
        ("['a']", "array", ["a"]),
        ("null", "object", None),
        ("example.com/x", "url", "http://example.com/x"),
        ("a.b.c", "jwt", "a.b.c"),
        ("snake_1", "identifier", "snake_1"),
        (None, "number", None),
        ({}, "any", {}),
    ],
)
def test_a_value_becomes_what_is_asked(value: Any, kind: FieldType, expected: Any) -> None:
    assert convert(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1,000", "number"),
        ("12px", "number"),
        ("1_000", "number"),
        ("١", "number"),
        ({}, "number"),
        ([1, 2], "number"),
        (math.nan, "number"),
        ("yes", "boolean"),
        ("", "boolean"),
        (2, "boolean"),
        ("{", "object"),
        ("[" * 100_000, "array"),
        ("{}", "array"),
        (True, "date_time"),
        ([], "date_time"),
        ("not a url", "url"),
        ("a.b", "jwt"),
        ("1a", "identifier"),
    ],
)
def test_what_cannot_become_it_is_refused(value: Any, kind: FieldType) -> None:
    with pytest.raises(NotOfType, match="expected"):
        convert(value, kind)


def test_strictly_a_value_is_of_its_type_already() -> None:
    assert convert(1, "number", strict=True) == 1
    assert convert(datetime(2026, 1, 1, tzinfo=UTC), "date_time", strict=True)
    pairs: list[tuple[Any, FieldType]] = [
        ("1", "number"),
        (1, "string"),
        (1, "boolean"),
        ("{}", "object"),
    ]
    for value, kind in pairs:
        with pytest.raises(NotOfType):
            convert(value, kind, strict=True)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        (None, None, True),
        (math.nan, math.nan, False),
        ([1, {"a": True}], [1.0, {"a": True}], True),
        ([1], [True], False),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_equality_is_that_of_json(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal


def test_error_messages_stay_short() -> None:
    assert describe("x" * 10_000) == "a string of 10000 signs"
    assert describe({"secret": 1}) == "an object"
    assert describe(1.0) == "the number 1"
    assert (
        to_text({"a": datetime(2026, 1, 1, tzinfo=UTC)}) == '{"a":"2026-01-01T00:00:00.000+00:00"}'
    )

"""Every recorded condition and every recorded conversion, row by row.

The rows speak of types and operators in camel case; ours are the same words in snake case.
"""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from engine_service.values.conditions import Comparison, compare
from engine_service.values.field_types import NotOfType, convert
from engine_service.values.patterns import BadPattern
from tests.support.recorded import DATA, lines_of, snake

if not DATA.is_dir():
    pytest.skip("the recorded conditions are not on this machine", allow_module_level=True)

# `options` is an enumeration, which JSON Schema checks; it is no type of ours.
UNMAPPED_TYPES = {"options"}


def revive(value: Any) -> Any:
    """The row's way to write what JSON cannot."""
    match value:
        case {"$type": "undefined"}:
            return None
        case {"$type": "number", "value": "NaN"}:
            return math.nan
        case {"$type": "Date" | "DateTime", "value": text}:
            return datetime.fromisoformat(text)
        case _:
            return value


def holds(row: dict[str, Any]) -> bool:
    options = row["filter"]["options"]
    how = Comparison(options["caseSensitive"], options["typeValidation"] == "loose", UTC)
    joined = any if row["filter"]["combinator"] == "or" else all
    return joined(
        compare(
            snake(each["operator"]["type"]),
            snake(each["operator"]["operation"]),
            (revive(each.get("leftValue")), revive(each.get("rightValue"))),
            how,
        )
        for each in row["filter"]["conditions"]
    )


@pytest.mark.parametrize(
    "row", lines_of("n8n_filter_conditions.jsonl"), ids=lambda row: row["test"]
)
def test_a_condition_decides_as_recorded(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises((NotOfType, BadPattern)):
            holds(row)
    else:
        assert holds(row) is row["value"]


@pytest.mark.parametrize("row", lines_of("n8n_type_validation.jsonl"), ids=lambda row: row["test"])
def test_a_value_becomes_what_was_recorded(row: dict[str, Any]) -> None:
    if row["type"] in UNMAPPED_TYPES:
        choices = [option["value"] for option in row["options"]["valueOptions"]]
        assert (row["value"] in choices) == row["result"]["valid"]
        return
    strict = row["options"].get("strict", False)
    if not row["result"]["valid"]:
        with pytest.raises(NotOfType):
            convert(revive(row["value"]), snake(row["type"]), strict=strict)  # pyright: ignore[reportArgumentType] - the row names the type
        return
    value = convert(revive(row["value"]), snake(row["type"]), strict=strict)  # pyright: ignore[reportArgumentType] - the row names the type
    expected = revive(row["result"].get("newValue"))
    if isinstance(expected, datetime):
        assert value.replace(microsecond=value.microsecond // 1000 * 1000) == expected
        assert value.utcoffset() == expected.utcoffset()
    else:
        assert value == expected

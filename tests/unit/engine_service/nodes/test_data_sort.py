"""`data.sort`: by fields of every kind, mixed ones, and by chance."""

from typing import Any

import pytest

from engine_service.nodes.data_sort import DataSort
from engine_service.sdk.node import Failed
from engine_service.values.ordering import MOST_COMPARED, sort_by
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def order(values: list[Any], direction: str = "ascending") -> list[Any]:
    parameters = {"fields": [{"name": "v", "order": direction}]}
    what = given(DataSort, parameters, items(*({"v": value} for value in values)))
    return [one["v"] for one in jsons(run_pure(DataSort, what))]


@pytest.mark.parametrize(
    ("values", "ascending", "descending"),
    [
        ([3, 1.5, 2], [1.5, 2, 3], [3, 2, 1.5]),
        (["b", "A", "a", "B"], ["A", "a", "b", "B"], ["b", "B", "A", "a"]),
        (["\U0001f600", "\uffff"], ["\U0001f600", "\uffff"], ["\uffff", "\U0001f600"]),
        ([2, None, -1], [-1, None, 2], [2, None, -1]),
        (["10", 9, 1], [1, 9, "10"], ["10", 9, 1]),
        ([True, False], [False, True], [True, False]),
    ],
)
def test_values_are_put_in_order(
    values: list[Any], ascending: list[Any], descending: list[Any]
) -> None:
    assert order(values) == ascending
    assert order(values, "descending") == descending


def test_several_fields_decide_one_after_another_and_equals_keep_their_order() -> None:
    objects: list[JsonObject] = [
        {"a": {"k": 1}, "b": "x", "n": 0}, {"a": {"k": 2}, "b": "y", "n": 1},
        {"a": {"k": 2}, "b": "z", "n": 2}, {"a": {"k": 1}, "b": "X", "n": 3},
    ]  # fmt: skip
    parameters = {"fields": [{"name": "a.k", "order": "descending"}, {"name": "b"}]}
    found = jsons(run_pure(DataSort, given(DataSort, parameters, items(*objects))))
    assert [one["n"] for one in found] == [1, 2, 0, 3]


def test_what_is_missing_among_texts_comes_last() -> None:
    objects: list[JsonObject] = [{"n": 0}, {"v": "b", "n": 1}, {"n": 2}, {"v": "a", "n": 3}]
    parameters = {"fields": [{"name": "v"}]}
    found = jsons(run_pure(DataSort, given(DataSort, parameters, items(*objects[1:], objects[0]))))
    assert found[-1] == {"n": 0}


def test_many_mixed_values_are_sorted_by_kind() -> None:
    values: list[Any] = [None, "b", 2, {}, "a", 1] * (MOST_COMPARED // 6 + 1)
    places = list(range(len(values)))
    sort_by(places, values)
    found = [values[place] for place in places]
    count = len(values) // 6
    assert found[: 4 * count] == [1] * count + [2] * count + ["a"] * count + ["b"] * count


def test_a_field_that_no_item_has_is_a_mistake() -> None:
    outcome = run_pure(DataSort, given(DataSort, {"fields": [{"name": "x"}]}, items({"v": 1})))
    assert isinstance(outcome, Failed)


def test_shuffling_keeps_all_items_and_repeats_itself_in_one_run() -> None:
    objects: list[JsonObject] = [{"v": number} for number in range(50)]
    what = given(DataSort, {"mode": "random"}, items(*objects))
    found = jsons(run_pure(DataSort, what))
    assert found != objects
    assert sorted(found, key=lambda one: one["v"]) == objects
    assert jsons(run_pure(DataSort, what)) == found

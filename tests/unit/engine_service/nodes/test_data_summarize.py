"""`data.summarize`: figures, groups and their shapes."""

from typing import Any

import pytest

from engine_service.nodes.data_summarize import DataSummarize, SummarizeParameters
from engine_service.sdk.node import Failed
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure

SALES = (
    {"shop": "b", "kind": 2, "n": 1, "w": "x"},
    {"shop": "a", "kind": 1, "n": 2, "w": ""},
    {"shop": "b", "kind": 1, "n": "3", "w": "x"},
    {"shop": "b", "kind": 2, "n": None, "w": {"k": 1}},
)


def summarized(parameters: JsonObject, *objects: JsonObject) -> list[JsonObject]:
    what = given(DataSummarize, parameters, items(*(objects or SALES)))
    return jsons(run_pure(DataSummarize, what))


def test_groups_are_told_apart_by_values_or_by_texts() -> None:
    objects: tuple[JsonObject, ...] = ({"g": 1, "n": 1}, {"g": "1", "n": 2}, {"g": None}, {})
    parameters: JsonObject = {"summaries": [{"field": "n", "kind": "sum"}], "group_by": ["g"]}
    assert summarized(parameters, *objects) == [
        {"sum_n": 1, "g": 1}, {"sum_n": 2, "g": "1"}, {"sum_n": 0, "g": None}, {"sum_n": 0},
    ]  # fmt: skip
    assert summarized({**parameters, "group_as": "texts"}, *objects) == [
        {"sum_n": 3, "g": "1"}, {"sum_n": 0, "g": "null"}, {"sum_n": 0, "g": "undefined"},
    ]  # fmt: skip
    assert len(summarized({**parameters, "skip_ungrouped": True}, *objects)) == 2


@pytest.mark.parametrize(
    ("summary", "name", "expected"),
    [
        ({"field": "n", "kind": "sum"}, "sum_n", 3),
        ({"field": "n", "kind": "average"}, "average_n", 1.5),
        ({"field": "n", "kind": "min"}, "min_n", 1),
        ({"field": "n", "kind": "max"}, "max_n", "3"),
        ({"field": "n"}, "count_n", 3),
        ({"field": "n", "include_empty": True}, "count_n", 4),
        ({"field": "w", "kind": "count_unique"}, "unique_count_w", 2),
        ({"field": "w", "kind": "count_unique", "include_empty": True}, "unique_count_w", 3),
        ({"field": "w", "kind": "append"}, "appended_w", ["x", "x", {"k": 1}]),
        ({"field": "w", "kind": "concatenate"}, "concatenated_w", 'x,x,{"k":1}'),
        ({"field": "n", "kind": "concatenate", "include_empty": True, "separator": "-"},
         "concatenated_n", "1-2-3-null"),
        ({"field": "w", "kind": "sum"}, "sum_w", 0),
        ({"field": "w", "kind": "average", "to": "mean"}, "mean", None),
    ],
)  # fmt: skip
def test_a_figure(summary: JsonObject, name: str, expected: Any) -> None:
    assert summarized({"summaries": [summary]}) == [{name: expected}]


def test_groups_come_in_the_order_in_which_they_appear() -> None:
    parameters: JsonObject = {"summaries": [{"field": "w"}], "group_by": ["shop", "kind"]}
    assert summarized(parameters) == [
        {"count_w": 2, "shop": "b", "kind": 2},
        {"count_w": 1, "shop": "b", "kind": 1},
        {"count_w": 0, "shop": "a", "kind": 1},
    ]
    assert summarized({**parameters, "output": "nested"}) == [
        {"b": {"2": {"count_w": 2}, "1": {"count_w": 1}}, "a": {"1": {"count_w": 0}}}
    ]


def test_deep_names_become_plain_ones() -> None:
    parameters: JsonObject = {"summaries": [{"field": "o.p q"}], "group_by": ["o.k[0]"]}
    assert summarized(parameters, {"o": {"p q": 1, "k": [5]}}) == [{"count_o_p_q": 1, "o_k0": 5}]


def test_items_without_a_group_can_be_left_out() -> None:
    parameters: JsonObject = {"summaries": [{"field": "n"}], "group_by": ["g"]}
    objects = ({"g": "x", "n": 1}, {"g": "", "n": 1}, {"g": 0, "n": 1}, {"n": 1})
    assert len(summarized(parameters, *objects)) == 4
    assert [one["g"] for one in summarized({**parameters, "skip_ungrouped": True}, *objects)] == [
        "x",
        0,
    ]


def test_a_misspelt_field_is_told_unless_it_may_be_missing() -> None:
    parameters: JsonObject = {"summaries": [{"field": "m", "kind": "sum"}]}
    outcome = run_pure(DataSummarize, given(DataSummarize, parameters, items(*SALES)))
    assert isinstance(outcome, Failed)
    assert outcome.code == "no_such_field"
    assert summarized({**parameters, "allow_missing_fields": True}) == [{"sum_m": 0}]


def test_two_figures_must_not_have_the_same_name() -> None:
    summaries = [{"field": "a.b"}, {"field": "a_b"}]
    found = DataSummarize.check(SummarizeParameters.model_validate({"summaries": summaries}))
    assert [code for _, code, _ in found] == ["duplicate"]

"""`flow.merge`: how lists become one."""

from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from engine_service.nodes.flow_merge import MOST_COMBINATIONS, FlowMerge
from engine_service.sdk.node import Done, Failed
from shared.workflow import Item, JsonObject
from tests.support.run_node import given, items, jsons, run_pure

LEFT = [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}, {"a": "no id"}]
RIGHT = [{"id": 2, "b": "p"}, {"id": 2, "b": "q"}, {"id": 3, "b": "r"}]
BY_ID: JsonObject = {"mode": "combine", "match": [{"left": "id"}]}


def merged(parameters: JsonObject, *lists: list[JsonObject]) -> list[JsonObject]:
    inputs = {f"input{number}": items(*each) for number, each in enumerate(lists, 1)}
    return jsons(run_pure(FlowMerge, given(FlowMerge, parameters, inputs)))


def test_lists_are_put_one_after_another() -> None:
    assert merged({"inputs": 3}, [{"n": 1}], [], [{"n": 2}]) == [{"n": 1}, {"n": 2}]


def test_each_item_says_where_it_is_from() -> None:
    inputs = {"input1": items({"n": 1}), "input2": items({"n": 2}, {"n": 3})}
    outcome = run_pure(FlowMerge, given(FlowMerge, {}, inputs))
    assert isinstance(outcome, Done)
    assert [item["paired_item"] for item in outcome.outputs["main"]] == [
        {"input": "input1", "item": 0}, {"input": "input2", "item": 0},
        {"input": "input2", "item": 1},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("keep_matches", [{"id": 2, "a": "y", "b": "p"}, {"id": 2, "a": "y", "b": "q"}]),
        ("keep_non_matches", [{"id": 1, "a": "x", "_source": "input1"},
                              {"a": "no id", "_source": "input1"},
                              {"id": 3, "b": "r", "_source": "input2"}]),
        ("keep_everything", [{"id": 2, "a": "y", "b": "p"}, {"id": 2, "a": "y", "b": "q"},
                             {"id": 1, "a": "x"}, {"a": "no id"}, {"id": 3, "b": "r"}]),
        ("enrich_input1", [{"id": 2, "a": "y", "b": "p"}, {"id": 2, "a": "y", "b": "q"},
                           {"id": 1, "a": "x"}, {"a": "no id"}]),
        ("enrich_input2", [{"id": 2, "a": "y", "b": "p"}, {"id": 2, "a": "y", "b": "q"},
                           {"id": 3, "b": "r"}]),
    ],
)  # fmt: skip
def test_items_are_joined_by_their_fields(join: str, expected: list[JsonObject]) -> None:
    assert merged({**BY_ID, "join": join}, LEFT, RIGHT) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"output_from": "input1"}, [{"id": 2, "a": "y"}]),
        ({"output_from": "input2"}, [{"id": 2, "b": "p"}, {"id": 2, "b": "q"}]),
        ({"multiple_matches": "first"}, [{"id": 2, "a": "y", "b": "p"}]),
    ],
)
def test_a_match_hands_on_what_is_wanted(
    parameters: JsonObject, expected: list[JsonObject]
) -> None:
    assert merged({**BY_ID, **parameters}, LEFT, RIGHT) == expected


@pytest.mark.parametrize(
    ("join", "left", "right"),
    [
        ("keep_matches", [], []),
        ("keep_everything", LEFT, RIGHT),
        ("enrich_input1", LEFT, []),
        ("enrich_input2", [], RIGHT),
    ],
)
def test_an_empty_input_matches_nothing(
    join: str, left: list[JsonObject], right: list[JsonObject]
) -> None:
    assert merged({**BY_ID, "join": join}, LEFT, []) == left
    assert merged({**BY_ID, "join": join}, [], RIGHT) == right


def test_numbers_and_texts_are_equal_only_when_fuzzy() -> None:
    one: list[JsonObject] = [{"id": 1}, {"id": True}, {"id": None}]
    other: list[JsonObject] = [{"id": "1"}, {"id": "TRUE"}, {"id": ""}]
    assert merged(BY_ID, one, other) == []
    found = merged({**BY_ID, "fuzzy": True, "output_from": "input2"}, one, other)
    assert found == [{"id": "1"}, {"id": "TRUE"}, {"id": ""}]
    pairs = merged({**BY_ID, "fuzzy": True, "on_clash": "input1"}, one, other)
    assert pairs == [{"id": 1}, {"id": True}, {"id": True}, {"id": None}]


def test_what_is_missing_on_the_right_is_like_what_is_empty_when_fuzzy() -> None:
    one: list[JsonObject] = [{"id": None}, {"a": 1}]
    assert merged({**BY_ID, "fuzzy": True}, one, [{"b": 2}]) == [{"id": None, "b": 2}]
    assert merged(BY_ID, one, [{"b": 2}]) == []


BY_PLACE: JsonObject = {"mode": "combine", "combine_by": "position"}


@pytest.mark.parametrize(
    ("parameters", "left", "right", "expected"),
    [
        ({"include_unpaired": True, "unpaired_from": "input1"}, [{"a": 1}], [{"b": 1}, {"b": 2}],
         [{"a": 1, "b": 1}]),
        ({"include_unpaired": True, "unpaired_from": "input1"}, [{"a": 1}, {"a": 2}], [{"b": 1}],
         [{"a": 1, "b": 1}, {"a": 2}]),
        ({"include_unpaired": True, "unpaired_from": "input1"}, [{"a": 1}], [], [{"a": 1}]),
        ({"include_unpaired": True, "unpaired_from": "input1"}, [], [{"b": 1}], []),
        ({"on_empty": "others"}, [], [{"b": 1}], [{"b": 1}]),
        ({"on_empty": "others", "on_clash": "suffix"}, [{"a": 1}], [], [{"a": 1}]),
        ({"on_empty": "others"}, [{"a": 1}, {"a": 2}], [{"b": 1}], [{"a": 1, "b": 1}]),
        ({}, [], [{"b": 1}], []),
    ],
)  # fmt: skip
def test_what_has_nobody_at_its_side(
    parameters: JsonObject,
    left: list[JsonObject],
    right: list[JsonObject],
    expected: list[JsonObject],
) -> None:
    assert merged({**BY_PLACE, **parameters}, left, right) == expected


def test_items_are_looked_up_in_their_places() -> None:
    people: list[JsonObject] = [
        {"city": 2, "n": "a"}, {"city": 9, "n": "b"}, {"n": "c"}, {"city": "1", "n": None},
    ]  # fmt: skip
    cities: list[JsonObject] = [{"id": 1, "n": "old"}, {"id": 1, "n": "R"}, {"id": "2", "n": "P"}]
    parameters = {"mode": "combine", "match": [{"left": "city", "right": "id"}], "join": "look_up"}
    assert merged(parameters, people, cities) == [
        {"city": 2, "n": "P"}, {"city": 9, "n": "b"}, {"city": "1", "n": "R"},
    ]  # fmt: skip
    blank = {**parameters, "on_clash": "input1", "keep_over_empty": True}
    assert [each["n"] for each in merged(blank, people, cities)] == ["a", "b", "R"]
    assert merged(parameters, people[:1], []) == people[:1]


def test_members_of_lists_give_way_as_fields_do() -> None:
    parameters = {**BY_PLACE, "keep_over_empty": True}
    assert merged(parameters, [{"a": [1, {"b": 2}]}], [{"a": ["", {"b": None}, 3]}]) == [
        {"a": [1, {"b": 2}, 3]}
    ]


def test_a_name_with_a_dot_may_be_the_field_s_own() -> None:
    parameters: JsonObject = {"mode": "combine", "match": [{"left": "a.b"}]}
    assert merged(parameters, [{"a.b": 1}], [{"a": {"b": 1}}]) == [{"a.b": 1, "a": {"b": 1}}]


def test_true_is_not_one() -> None:
    assert merged(BY_ID, [{"id": 1}], [{"id": True}]) == []
    assert len(merged(BY_ID, [{"id": 1}], [{"id": 1.0}])) == 1


def test_objects_match_whatever_the_order_of_their_fields() -> None:
    one: list[JsonObject] = [{"id": {"a": 1, "b": 2}}]
    other: list[JsonObject] = [{"id": {"b": 2, "a": 1}}]
    assert len(merged(BY_ID, one, other)) == 1


def test_names_reach_into_objects() -> None:
    match = {"mode": "combine", "match": [{"left": "c.id", "right": "id"}]}
    assert merged(match, [{"c": {"id": 7}}], [{"id": 7, "n": "N"}]) == [
        {"c": {"id": 7}, "id": 7, "n": "N"}
    ]
    assert merged({**match, "dot_notation": False}, [{"c.id": 7}], [{"id": 7}]) != []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"id": 1, "v": {"x": 1, "y": 3, "l": [3, 2]}, "e": ""}),
        ({"on_clash": "input1"}, {"id": 1, "v": {"x": 1, "y": 2, "l": [1, 2]}, "e": "full"}),
        ({"on_clash": "suffix"}, {"id_1": 1, "v_1": {"x": 1, "y": 2, "l": [1, 2]}, "e_1": "full",
                                  "id_2": 1, "v_2": {"y": 3, "l": [3]}, "e_2": ""}),
        ({"deep": False}, {"id": 1, "v": {"y": 3, "l": [3]}, "e": ""}),
        ({"keep_over_empty": True}, {"id": 1, "v": {"x": 1, "y": 3, "l": [3, 2]}, "e": "full"}),
    ],
)  # fmt: skip
def test_clashing_fields(parameters: JsonObject, expected: JsonObject) -> None:
    one: list[JsonObject] = [{"id": 1, "v": {"x": 1, "y": 2, "l": [1, 2]}, "e": "full"}]
    other: list[JsonObject] = [{"id": 1, "v": {"y": 3, "l": [3]}, "e": ""}]
    assert merged({**BY_ID, **parameters}, one, other) == [expected]


def test_items_are_joined_by_position() -> None:
    by_position: JsonObject = {"mode": "combine", "combine_by": "position", "inputs": 3}
    lists = ([{"a": 1}, {"a": 2}], [{"b": 1}], [{"c": 1}, {"c": 2}])
    assert merged(by_position, *lists) == [{"a": 1, "b": 1, "c": 1}]
    assert merged({**by_position, "include_unpaired": True}, *lists) == [
        {"a": 1, "b": 1, "c": 1},
        {"a": 2, "c": 2},
    ]


def test_every_combination_is_made() -> None:
    lists = ([{"a": 1}, {"a": 2}], [{"b": 1}, {"b": 2}])
    assert merged({"mode": "combine", "combine_by": "all"}, *lists) == [
        {"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 2},
    ]  # fmt: skip
    ours_wins = {"mode": "combine", "combine_by": "all", "on_clash": "input1"}
    assert merged(ours_wins, *lists) == [
        {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "parameters",
    [
        {"mode": "combine", "combine_by": "all"},
        {"mode": "combine", "match": [{"left": "same"}]},
    ],
    ids=["all", "fields"],
)
def test_too_many_combinations_are_refused(parameters: JsonObject) -> None:
    side: list[Item] = [{"json": {"same": 1}}] * 1001
    inputs = {"input1": side, "input2": side}
    outcome = run_pure(FlowMerge, given(FlowMerge, parameters, inputs))
    assert isinstance(outcome, Failed)
    assert outcome.code == "too_many_items"
    assert len(side) ** 2 > MOST_COMBINATIONS


def test_one_input_is_chosen() -> None:
    assert merged({"mode": "choose", "choose": "input2"}, LEFT, RIGHT) == RIGHT
    assert merged({"mode": "choose", "choose": "empty"}, LEFT, RIGHT) == [{}]
    assert merged({"mode": "choose"}, [], RIGHT) == []


def test_files_come_along() -> None:
    inputs: dict[str, Any] = {
        "input1": [{"json": {"id": 1}, "binary": {"f": {"id": "1"}}}],
        "input2": [{"json": {"id": 1}, "binary": {"g": {"id": "2"}}}],
    }
    outcome = run_pure(FlowMerge, given(FlowMerge, BY_ID, inputs))
    assert isinstance(outcome, Done)
    assert outcome.outputs["main"][0]["binary"] == {"f": {"id": "1"}, "g": {"id": "2"}}


def test_inputs_are_known_before_the_run() -> None:
    assert FlowMerge.input_names({"inputs": 3}) == ("input1", "input2", "input3")
    assert FlowMerge.input_names({"inputs": "{{ 3 }}"}) == ("input1", "input2")


rows = st.lists(st.fixed_dictionaries({"id": st.integers(0, 4), "n": st.integers()}), max_size=8)


@forall(left=rows, right=rows)
def test_a_join_is_what_two_loops_would_give(
    left: list[JsonObject], right: list[JsonObject]
) -> None:
    expected = [{**one, **other} for one in left for other in right if one["id"] == other["id"]]
    assert merged(BY_ID, left, right) == expected
    alone = [one for one in left if all(one["id"] != other["id"] for other in right)]
    parameters = {**BY_ID, "join": "keep_non_matches", "output_from": "input1"}
    assert merged(parameters, left, right) == alone

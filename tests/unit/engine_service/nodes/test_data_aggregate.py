"""`data.aggregate`: whole items and single fields into lists."""

from engine_service.nodes.data_aggregate import AggregateParameters, DataAggregate
from engine_service.sdk.node import Done, Failed
from shared.workflow import Item, JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def aggregated(parameters: JsonObject, *objects: JsonObject) -> JsonObject:
    found = jsons(run_pure(DataAggregate, given(DataAggregate, parameters, items(*objects))))
    assert len(found) == 1
    return found[0]


def test_whole_items_go_into_one_list() -> None:
    assert aggregated({"to": "all"}, {"a": 1}, {"b": 2}) == {"all": [{"a": 1}, {"b": 2}]}


def test_groups_are_put_together_each_by_itself() -> None:
    objects = items({"g": 1, "n": 1}, {"g": 2, "n": 2}, {"g": 1.0, "n": 3})
    by_field: JsonObject = {"mode": "fields", "fields": [{"name": "n"}], "group_by": ["g"]}
    outcome = run_pure(DataAggregate, given(DataAggregate, by_field, objects))
    assert jsons(outcome) == [{"g": 1, "n": [1, 3]}, {"g": 2, "n": [2]}]
    whole = run_pure(DataAggregate, given(DataAggregate, {"group_by": ["g"]}, objects))
    assert jsons(whole)[1] == {"g": 2, "data": [{"g": 2, "n": 2}]}
    odd = given(DataAggregate, {"group_by": ["g"]}, items({"g": [1]}))
    assert isinstance(run_pure(DataAggregate, odd), Failed)


def test_fields_of_items_can_be_chosen_and_empty_items_fall_away() -> None:
    people = ({"a": 1, "b": 2}, {"b": 3})
    assert aggregated({"include": "selected", "include_fields": ["a"]}, *people) == {
        "data": [{"a": 1}]
    }
    assert aggregated({"include": "except", "include_fields": ["a"]}, *people) == {
        "data": [{"b": 2}, {"b": 3}]
    }


def test_values_of_fields_go_into_lists_of_their_own() -> None:
    parameters: JsonObject = {
        "mode": "fields",
        "fields": [{"name": "o.a"}, {"name": "b", "to": "c.d"}],
    }
    objects = ({"o": {"a": 1}, "b": None}, {"b": [2, None]}, {"o": {"a": 3}})
    assert aggregated(parameters, *objects) == {"a": [1, 3], "c": {"d": [[2]]}}
    kept = aggregated({**parameters, "keep_missing": True}, *objects)
    assert kept == {"a": [1, None, 3], "c": {"d": [None, [2, None], None]}}
    merged = aggregated({**parameters, "merge_lists": True}, *objects)
    assert merged == {"a": [1, 3], "c": {"d": [2]}}


def test_files_come_along_under_names_of_their_own() -> None:
    same = {"name": "a.txt", "size": 1}
    source: list[Item] = [
        {"json": {}, "binary": {"data": {**same, "id": "1"}}},
        {"json": {}, "binary": {"data": {**same, "id": "2"}}},
        {"json": {}, "binary": {"data": {"name": "b.txt", "id": "3"}}},
    ]
    for unique, names in ((False, ["data", "data_1", "data_2"]), (True, ["data", "data_1"])):
        parameters = {"include_binary": True, "unique_binary": unique}
        outcome = run_pure(DataAggregate, given(DataAggregate, parameters, source))
        assert isinstance(outcome, Done)
        assert list(outcome.outputs["main"][0]["binary"]) == names


def test_two_lists_must_not_share_a_field() -> None:
    parameters = {"mode": "fields", "fields": [{"name": "a.x"}, {"name": "b.x"}]}
    found = DataAggregate.check(AggregateParameters.model_validate(parameters))
    assert [(pointer, code) for pointer, code, _ in found] == [("/fields", "duplicate")]

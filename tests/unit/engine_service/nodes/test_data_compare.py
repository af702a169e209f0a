"""`data.compare`: who finds whom, what is equal, and what is told of the others."""

from engine_service.nodes.data_compare import DataCompare
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, run_pure

OURS: list[JsonObject] = [{"id": 1, "n": "a"}, {"id": 2, "n": "b"}, {"id": 3}, {"n": "?"}]
THEIRS: list[JsonObject] = [
    {"id": 2, "n": "c"},
    {"id": 1, "n": "a"},
    {"id": 4},
    {"id": 1, "n": "z"},
]


def compared(
    parameters: JsonObject, ours: list[JsonObject], theirs: list[JsonObject]
) -> dict[str, list[JsonObject]]:
    inputs = {"a": items(*ours), "b": items(*theirs)}
    outcome = run_pure(DataCompare, given(DataCompare, parameters, inputs))
    assert isinstance(outcome, Done)
    return {port: [item["json"] for item in found] for port, found in outcome.outputs.items()}


def test_items_are_sorted_into_four_kinds() -> None:
    told = {"n": {"inputA": "b", "inputB": "c"}}
    assert compared({"match": [{"a": "id"}]}, OURS, THEIRS) == {
        "only_a": [{"id": 3}, {"n": "?"}],
        "same": [{"id": 1, "n": "a"}],
        "different": [
            {"keys": {"id": 2}, "same": {"id": 2}, "different": told}
        ],
        "only_b": [{"id": 4}, {"id": 1, "n": "z"}],
    }  # fmt: skip


def test_all_matches_can_count() -> None:
    found = compared({"match": [{"a": "id"}], "multiple_matches": "all"}, OURS, THEIRS)
    assert found["same"] == [{"id": 1, "n": "a"}]
    assert [one["keys"]["id"] for one in found["different"]] == [1, 2]
    assert found["only_b"] == [{"id": 4}]


def test_what_differs_can_be_told_in_other_ways() -> None:
    ours, theirs = [{"id": 1, "x": 1, "y": 1}], [{"id": 1, "x": 2, "y": 2}]
    told = {
        "a": {"id": 1, "x": 1, "y": 1},
        "b": {"id": 1, "x": 2, "y": 2},
        "mix": {"id": 1, "x": 1, "y": 2},
    }
    for different, expected in told.items():
        parameters = {"match": [{"a": "id"}], "different": different, "except_fields": ["y"]}
        assert compared(parameters, ours, theirs)["different"] == [expected]


def test_skipped_fields_do_not_matter_but_are_told() -> None:
    parameters = {"match": [{"a": "id"}], "skip_fields": ["x"]}
    assert compared(parameters, [{"id": 1, "x": 1}], [{"id": 1, "x": 2}])["same"]
    found = compared(parameters, [{"id": 1, "x": 1, "y": 1}], [{"id": 1, "x": 2}])["different"]
    assert found[0]["skipped"] == {"x": {"inputA": 1, "inputB": 2}}
    assert found[0]["different"] == {"y": {"inputA": 1, "inputB": None}}


def test_comparing_can_be_fuzzy() -> None:
    parameters = {"match": [{"a": "id", "b": "o.id"}], "fuzzy": True, "skip_fields": ["id", "o"]}
    found = compared(parameters, [{"id": 1, "x": None}], [{"o": {"id": "1"}, "x": ""}])
    assert found["same"] == [{"id": 1, "x": None}]


def test_what_is_equal_but_not_the_same_is_told_as_the_side_has_it_that_wins() -> None:
    for different, told in (("a", 1), ("b", "1")):
        parameters = {"match": [{"a": "id"}], "fuzzy": True, "different": different}
        assert compared(parameters, [{"id": 1}], [{"id": "1"}])["same"] == [{"id": told}]


def test_an_input_may_be_empty() -> None:
    assert compared({"match": [{"a": "id"}]}, [], THEIRS)["only_b"] == THEIRS
    assert compared({"match": [{"a": "id"}]}, OURS, [])["only_a"] == OURS

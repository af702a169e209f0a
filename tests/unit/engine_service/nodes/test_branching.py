"""`flow.if`, `flow.switch` and `flow.filter`: where items go."""

import pytest

from engine_service.nodes.flow_filter import FlowFilter
from engine_service.nodes.flow_if import FlowIf
from engine_service.nodes.flow_switch import FlowSwitch
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def equals(left: object, right: object = "yes") -> JsonObject:
    return {"conditions": [{"left": left, "operator": "equals", "right": right}]}


def test_if_sends_each_item_one_way() -> None:
    what = given(FlowIf, [equals("yes"), equals("no"), equals("yes")],
                 items({"n": 1}, {"n": 2}, {"n": 3}))  # fmt: skip
    outcome = run_pure(FlowIf, what)
    assert jsons(outcome, "true") == [{"n": 1}, {"n": 3}]
    assert jsons(outcome, "false") == [{"n": 2}]
    assert isinstance(outcome, Done)
    assert [item["paired_item"] for item in outcome.outputs["true"]] == [0, 2]


def test_one_set_of_parameters_serves_all_items() -> None:
    outcome = run_pure(FlowIf, given(FlowIf, equals("yes"), items({"n": 1}, {"n": 2})))
    assert len(jsons(outcome, "true")) == 2


def test_an_item_of_the_wrong_type_fails_alone() -> None:
    what = given(FlowIf, [equals(1), equals("yes")], items({"n": 1}, {"n": 2}))
    outcome = run_pure(FlowIf, what)
    assert jsons(outcome, "true") == [{"n": 2}]
    assert isinstance(outcome, Done)
    assert [(failure.index, failure.code) for failure in outcome.failures] == [(0, "wrong_type")]


def test_a_malformed_pattern_fails_the_item() -> None:
    parameters = {"conditions": [{"left": "a", "operator": "regex", "right": "("}]}
    outcome = run_pure(FlowIf, given(FlowIf, parameters))
    assert isinstance(outcome, Done)
    assert outcome.failures[0].code == "bad_pattern"


def test_an_operator_of_another_type_is_found_before_the_run() -> None:
    condition = {"left": 1, "type": "number", "operator": "starts_with", "right": 1}
    parameters = FlowIf.Parameters.model_validate({"conditions": [condition]})
    [(pointer, code, _)] = FlowIf.check(parameters)  # pyright: ignore[reportArgumentType] - the model of this type
    assert (pointer, code) == ("/conditions/0/operator", "unknown_operator")


def test_filter_keeps_what_meets_the_conditions() -> None:
    what = given(FlowFilter, [equals("yes"), equals("no")], items({"n": 1}, {"n": 2}))
    assert jsons(run_pure(FlowFilter, what)) == [{"n": 1}]


def rules(*names: str, **others: object) -> JsonObject:
    return {"rules": [{"name": name, **equals(name, "b")} for name in names], **others}


def test_switch_takes_the_first_rule_that_is_met() -> None:
    parameters = {"rules": [{"name": "x", **equals("b", "b")}, {"name": "y", **equals("b", "b")}]}
    outcome = run_pure(FlowSwitch, given(FlowSwitch, parameters))
    assert isinstance(outcome, Done)
    assert set(outcome.outputs) == {"case:x"}


def test_switch_can_take_all_rules_that_are_met() -> None:
    parameters = {
        "rules": [{"name": "x", **equals("b", "b")}, {"name": "y", **equals("b", "b")}],
        "all_matching": True,
    }
    outcome = run_pure(FlowSwitch, given(FlowSwitch, parameters))
    assert isinstance(outcome, Done)
    assert set(outcome.outputs) == {"case:x", "case:y"}


@pytest.mark.parametrize(
    ("fallback", "ports"), [(None, set[str]()), ("fallback", {"fallback"}), ("a", {"case:a"})]
)
def test_what_belongs_nowhere_goes_to_the_fallback(fallback: str | None, ports: set[str]) -> None:
    outcome = run_pure(FlowSwitch, given(FlowSwitch, rules("a", "c", fallback=fallback)))
    assert isinstance(outcome, Done)
    assert set(outcome.outputs) == ports


@pytest.mark.parametrize(
    ("case", "fallback", "port"),
    [
        ("low", None, "case:low"),
        (1, None, "case:high"),
        (1.0, None, "case:high"),
        (True, "fallback", "fallback"),
        ("mid", "fallback", "fallback"),
        (7, "low", "case:low"),
    ],
)
def test_an_expression_names_the_case(case: object, fallback: str | None, port: str) -> None:
    parameters: JsonObject = {
        "mode": "expression", "cases": ["low", "high"], "case": case, "fallback": fallback,
    }  # fmt: skip
    outcome = run_pure(FlowSwitch, given(FlowSwitch, parameters))
    assert isinstance(outcome, Done)
    assert set(outcome.outputs) == {port}


@pytest.mark.parametrize("case", ["mid", 2, -1, 0.5, None, True])
def test_a_case_that_there_is_not_fails_the_item(case: object) -> None:
    parameters: JsonObject = {"mode": "expression", "cases": ["low", "high"], "case": case}
    outcome = run_pure(FlowSwitch, given(FlowSwitch, parameters))
    assert isinstance(outcome, Done)
    assert outcome.failures[0].code == "unknown_case"


def test_ports_are_known_before_the_run() -> None:
    assert FlowSwitch.ports(rules("a", "c", fallback="fallback")) == (
        "case:a", "case:c", "fallback",
    )  # fmt: skip
    assert FlowSwitch.ports({"mode": "expression", "cases": ["x"]}) == ("case:x",)

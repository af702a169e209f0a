"""What other people's nodes of the same job do: recorded parameters and items, and the outcome.

The rows speak another language; the small mapping here puts them into ours, so that what is
compared is what `data.set`, `flow.if`, `flow.switch` and `flow.merge` make of the items.
"""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine_service.expressions import Evaluator, Scope, compile_parameters
from engine_service.node import Done, NodeType, PureNode
from engine_service.nodes.data_set import DataSet
from engine_service.nodes.flow_if import FlowIf
from engine_service.nodes.flow_merge import FlowMerge
from engine_service.nodes.flow_switch import FlowSwitch
from shared.workflow import Item, JsonObject
from tests.support.recorded import DATA, lines_of, snake
from tests.support.run_node import NOW, given, run_pure

if not DATA.is_dir():
    pytest.skip("the recorded nodes are not on this machine", allow_module_level=True)

EXCLUDED = {
    "op-9245eae43d": "an item made from none; a node of ours that gets no items does not run",
    "op-ff3a05fa10": "old: an input of which no item has the matched field was dropped",
    "op-a2c77fae53": "old: an input of which no item has the matched field was dropped",
}
SPEAKS_OF_OTHERS = "its expressions speak of nodes that the row does not show"


def rows() -> list[Any]:
    found = lines_of("n8n_op_vectors.jsonl")
    return [row_or_reason(row) for row in found if row["type"] in MAPPINGS]


def row_or_reason(row: JsonObject) -> Any:
    written = json.dumps(row["parameters"])
    reason = EXCLUDED.get(row["id"])
    if reason is None and ("$(" in written or "$node" in written):
        reason = SPEAKS_OF_OTHERS
    marks = [] if reason is None else [pytest.mark.skip(reason)]
    return pytest.param(row, id=row["id"], marks=marks)


# --- from their words to ours


def expression(value: Any) -> Any:
    """Texts that begin with = hold expressions; the others are what they are."""
    return value[1:] if isinstance(value, str) and value.startswith("=") else value


def our_set(row: JsonObject) -> JsonObject:
    parameters = row["parameters"]
    if parameters.get("mode") == "raw":
        return {"mode": "json", "json": expression(parameters["jsonOutput"])}
    fields = parameters.get("assignments", {}).get("assignments", [])
    if row["typeVersion"] < 3:
        fields = [
            {"value": 0 if kind == "number" else None, **each, "type": kind}
            for kind in ("string", "number", "boolean")
            for each in parameters["values"].get(kind, [])
        ]
    elif "fields" in parameters:
        fields = [
            {"name": f["name"], "value": f["stringValue"]} for f in parameters["fields"]["values"]
        ]
    known = ("string", "number", "boolean", "array", "object")
    # The old versions converted nothing that an expression gave.
    converts = row["typeVersion"] >= 3
    kept = row["typeVersion"] < 3 and not parameters.get("keepOnlySet")
    return {
        "assignments": [
            {
                "name": each["name"],
                "value": expression(each["value"]),
                "type": each["type"] if converts and each.get("type") in known else "any",
            }
            for each in fields
        ],
        "include": "all" if kept or parameters.get("includeOtherFields") else "none",
        "dot_notation": parameters.get("options", {}).get("dotNotation", True),
    }


OLD_OPERATORS = {
    "smaller": "lt", "smallerEqual": "lte", "larger": "gt", "largerEqual": "gte",
    "equal": "equals", "notEqual": "not_equals", "isEmpty": "empty", "isNotEmpty": "not_empty",
}  # fmt: skip


def our_conditions(group: JsonObject) -> JsonObject:
    options = group["options"]
    return {
        "conditions": [
            {
                "left": expression(each["leftValue"]),
                "type": snake(each["operator"]["type"]),
                "operator": snake(each["operator"]["operation"]),
                "right": expression(each.get("rightValue")),
            }
            for each in group["conditions"]
        ],
        "combinator": group["combinator"],
        "case_sensitive": options["caseSensitive"],
        "loose": options["typeValidation"] == "loose",
    }


def our_if(row: JsonObject) -> JsonObject:
    conditions = row["parameters"]["conditions"]
    if row["typeVersion"] >= 2:
        return our_conditions(conditions)
    return {
        "conditions": [
            {
                "left": expression(each["value1"]),
                "type": kind,
                "operator": OLD_OPERATORS[
                    each.get("operation", "smaller" if kind == "number" else "equal")
                ],
                "right": expression(each.get("value2")),
            }
            for kind, group in conditions.items()
            for each in group
        ],
        "loose": True,
    }


def our_switch(row: JsonObject) -> JsonObject:
    parameters = row["parameters"]
    if parameters.get("mode") == "expression":
        count = parameters.get("outputsAmount", 4)
        cases = [str(number) for number in range(count)]
        return {"mode": "expression", "cases": cases, "case": expression(parameters["output"])}
    rules: list[JsonObject] = []
    for number, rule in enumerate(parameters["rules"].get("values", [])):
        rules.append({"name": str(number), **our_conditions(rule["conditions"])})
    for rule in parameters["rules"].get("rules", []):
        value = {
            "left": expression(parameters["value1"]),
            "type": "number",
            "operator": OLD_OPERATORS[rule["operation"]],
            "right": rule.get("value2", 0),
        }
        rules.append({"name": str(rule.get("output", 0)), "conditions": [value]})
    fallback = parameters.get("options", {}).get(
        "fallbackOutput", parameters.get("fallbackOutput", None)
    )
    taken = {rule["name"] for rule in rules}
    ours = {None: None, "none": None, "extra": "fallback"}.get(fallback, str(fallback))
    return {"rules": rules, "fallback": ours if ours is None or ours in taken else "fallback"}


JOINS = {
    "keepMatches": "keep_matches", "keepNonMatches": "keep_non_matches",
    "keepEverything": "keep_everything", "enrichInput1": "enrich_input1",
    "enrichInput2": "enrich_input2",
}  # fmt: skip


def our_merge(row: JsonObject) -> JsonObject:
    parameters = row["parameters"]
    options = parameters.get("options", {})
    if parameters.get("mode") == "chooseBranch":
        return {"mode": "choose", "choose": parameters.get("output", "input1")}
    if parameters.get("mode") != "combine":
        return {"inputs": parameters.get("numberInputs", 2)}
    by = {"mergeByPosition": "position", "multiplex": "all"}
    matched = parameters.get("mergeByFields", {}).get("values", [])
    names = filter(None, parameters.get("fieldsToMatchString", "").split(","))
    clash = options.get("clashHandling", {}).get("values", {}).get("resolveClash")
    clashes = {"addSuffix": "suffix", "preferInput1": "input1", "preferInput2": "input2"}
    return {
        "mode": "combine",
        "combine_by": by.get(parameters.get("combinationMode", ""), "fields"),
        "match": [
            *({"left": each["field1"], "right": each["field2"]} for each in matched),
            *({"left": name.strip()} for name in names),
        ],
        "join": JOINS[parameters.get("joinMode", "keepMatches")],
        "output_from": parameters.get("outputDataFrom", "both"),
        "include_unpaired": options.get("includeUnpaired", False),
        "on_clash": clashes.get(clash or ""),
    }


MAPPINGS: dict[str, tuple[type[PureNode[Any]], Callable[[JsonObject], JsonObject]]] = {
    "set": (DataSet, our_set),
    "if": (FlowIf, our_if),
    "switch": (FlowSwitch, our_switch),
    "merge": (FlowMerge, our_merge),
}


# --- the test


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(timeout=10.0)
    yield made
    await made.close()


async def filled(
    node_type: type[NodeType[Any]],
    parameters: JsonObject,
    items: list[Item],
    row: Any,
    v8: Evaluator,
) -> list[JsonObject]:
    compiled = compile_parameters(parameters)
    if compiled.is_static:
        return [parameters]
    scope = Scope(items=items, now=NOW, zone=row["tz"])
    indexes = range(len(items)) if node_type.per_item and compiled.per_item else (0,)
    return await v8.resolve(compiled, scope, indexes)


@pytest.mark.parametrize("row", rows())
async def test_a_node_does_as_recorded(row: JsonObject, evaluator: Evaluator) -> None:
    node_type, ours = MAPPINGS[row["type"]]
    names = (
        [f"input{number}" for number in range(1, len(row["inputs"]) + 1)]
        if node_type is FlowMerge
        else ["main"]
    )
    recorded: list[list[JsonObject] | None] = row["inputs"]
    inputs: dict[str, list[Item]] = {
        name: [{"json": one} for one in items or []]
        for name, items in zip(names, recorded, strict=True)
    }
    parameters = ours(row)
    each: list[JsonObject] = await filled(node_type, parameters, inputs[names[0]], row, evaluator)
    what = given(node_type, each, inputs, now=NOW.astimezone(ZoneInfo(row["tz"])))
    outcome = run_pure(node_type, what)

    assert isinstance(outcome, Done), outcome
    assert not outcome.failures
    assert _by_port(outcome, node_type, parameters, row) == _expected(row)


def _by_port(
    outcome: Done, node_type: type[PureNode[Any]], parameters: JsonObject, row: JsonObject
) -> list[list[JsonObject]]:
    ports = node_type.ports(parameters)
    if node_type is FlowSwitch and parameters.get("mode") != "expression":
        count = max(len(row["outputs"]), len(ports))
        numbered = [f"case:{number}" for number in range(count)]
        ports = (*(port for port in numbered if port in ports), "fallback")
    found: list[list[JsonObject]] = [
        [item["json"] for item in outcome.outputs.get(port, [])] for port in ports
    ]
    if row["alwaysOutputData"] and not any(found):
        found[0] = [{}]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found


def _expected(row: JsonObject) -> list[list[JsonObject]]:
    expected: list[list[JsonObject]] = [output or [] for output in row["outputs"]]
    while len(expected) > 1 and not expected[-1]:
        expected.pop()
    return expected

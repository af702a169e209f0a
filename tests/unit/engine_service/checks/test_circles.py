"""A circle of connections needs a way out; which nodes give one."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.validate import validate
from shared.workflow import JsonObject, Workflow
from tests.support.definitions import definition, node

IF = node("if", "flow.if", conditions=[{"left": "{{ $json.a }}", "operator": "exists"}])
LOOP = node("l", "flow.loop")
NOTHING = [node(name, "flow.noop") for name in "abc"]


def cycles(nodes: list[JsonObject], wires: str) -> list[str]:
    found = validate(Workflow.model_validate(definition(nodes, wires)), builtin())
    return [one.pointer for one in found if one.code == "cycle"]


def test_one_without_a_way_out_is_refused() -> None:
    wires = "start > a; a > b; b > c; c > a"
    assert cycles(NOTHING, wires) == ["/connections/3"]
    workflow = Workflow.model_validate(definition(NOTHING, wires))
    assert "A → B → C → A" in validate(workflow, builtin())[0].message
    assert cycles(NOTHING[:1], "start > a; a > a") == ["/connections/1"]


@pytest.mark.parametrize(
    "way_out",
    [
        IF | {"id": "b"},
        node("b", "flow.filter", conditions=[]),
        node("b", "flow.noop", {"on_error": "error_port"}),
    ],
)
def test_one_with_a_way_out_is_fine(way_out: dict[str, Any]) -> None:
    port = ":true" if way_out["type"] == "flow.if" else ""
    assert cycles([NOTHING[0], way_out], f"start > a; a > b; b{port} > a") == []


def test_what_is_disabled_or_leads_back_by_all_ports_is_no_way_out() -> None:
    back = "start > a; a > if; if:true > a; if:false > a"
    assert len(cycles([NOTHING[0], IF], back)) == 1
    off = IF | {"disabled": True}
    assert len(cycles([NOTHING[0], off], "start > a; a > if; if:true > a")) == 1


def test_a_loop_led_back_to_from_behind_it_is_a_circle_too() -> None:
    wires = "start > l; l:loop > a; a > l; l:done > {0}; {0}{1} > l"
    assert cycles([LOOP, *NOTHING], wires.format("b", "")) == ["/connections/4"]
    assert cycles([LOOP, NOTHING[0], IF], wires.format("if", ":true")) == []

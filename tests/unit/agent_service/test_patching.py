"""JSON Patch on definitions."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_service import patching

BEFORE: dict[str, Any] = {
    "name": "A",
    "nodes": [
        {"id": "a", "type": "trigger.manual", "parameters": {"x": 1, "y": [1, 2]}},
        {"id": "b", "type": "flow.noop", "parameters": {}},
        {"id": "c", "type": "flow.noop", "parameters": {}},
    ],
    "connections": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
}


def test_a_change_deep_inside_is_one_operation() -> None:
    after = {**BEFORE, "nodes": [{**BEFORE["nodes"][0], "parameters": {"x": 2, "y": [1, 2]}}]}
    after["nodes"] += BEFORE["nodes"][1:]
    assert patching.difference(BEFORE, after) == [
        {"op": "replace", "path": "/nodes/0/parameters/x", "value": 2}
    ]


def test_the_order_of_nodes_is_no_difference() -> None:
    after = {**BEFORE, "nodes": list(reversed(BEFORE["nodes"]))}
    assert patching.difference(BEFORE, after) == []


def test_whole_sections_are_not_replaced() -> None:
    for path in ("", "/nodes", "/connections"):
        assert patching.apply(BEFORE, [{"op": "replace", "path": path, "value": []}]) is None
    assert patching.apply(BEFORE, [{"op": "remove", "path": "/nodes"}]) is None


def test_a_patch_that_does_not_fit_does_not_apply() -> None:
    assert patching.apply(BEFORE, [{"op": "replace", "path": "/nodes/9/name", "value": 1}]) is None
    assert patching.apply(BEFORE, [{"op": "test", "path": "/name", "value": "B"}]) is None
    assert patching.apply(BEFORE, [{"op": "nonsense", "path": "/name"}]) is None


def test_what_reaches_further_than_it_says_is_found() -> None:
    operations = [
        {"op": "replace", "path": "/nodes/1/type", "value": "data.set"},
        {"op": "replace", "path": "/name", "value": "B"},
    ]
    after = patching.apply(BEFORE, operations)
    assert after is not None
    assert patching.outside(BEFORE, after, ["b"]) == ["name"]
    assert patching.outside(BEFORE, after, ["b", "name"]) == []


def test_edges_around_a_removed_node_may_close_up() -> None:
    after = {
        **BEFORE,
        "nodes": [BEFORE["nodes"][0], BEFORE["nodes"][2]],
        "connections": [{"from": "a", "to": "c"}],
    }
    assert patching.outside(BEFORE, after, ["b"]) == []
    elsewhere = {**BEFORE, "connections": [*BEFORE["connections"], {"from": "c", "to": "a"}]}
    assert patching.outside(BEFORE, elsewhere, ["b"]) == ["c→a"]


_ids = st.lists(st.sampled_from("abcdef"), unique=True)
_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


@st.composite
def _definitions(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(_ids)
    nodes = [
        {"id": one, "parameters": draw(st.dictionaries(st.text(max_size=3), _values))}
        for one in ids
    ]
    pairs = (
        draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), unique=True))
        if ids
        else []
    )
    return {
        "name": draw(st.text(max_size=3)),
        "nodes": nodes,
        "connections": [{"from": one, "to": other} for one, other in pairs],
    }


@settings(max_examples=60, deadline=None)
@given(_definitions(), _definitions())
def test_the_difference_applied_gives_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    applied = patching.apply(before, patching.difference(before, after))
    assert applied is not None
    assert patching.difference(applied, after) == []
    assert applied["name"] == after["name"]

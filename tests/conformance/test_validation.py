"""Validation over the whole catalogue: sound definitions pass, no other makes it stumble."""

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate, validate_document
from engine_service.expressions.template import find_expressions
from engine_service.sdk.node import Done, Failed, NodeType, PureNode
from engine_service.sdk.shape import Shape, kind_of
from engine_service.sdk.trigger import Trigger
from shared.workflow import JsonObject, Workflow
from tests.support.run_node import given, items

TYPES = list(builtin())
START = {"id": "start", "name": "Start", "type": "trigger.manual"}
AGENT: JsonObject = {
    "id": "agent",
    "name": "Agent",
    "type": "ai.agent",
    "parameters": {"prompt": "Hello"},
}
BRAIN: JsonObject = {"id": "brain", "name": "Brain", "type": "model.chat"}
SAMPLE: dict[str, Any] = {
    "name": "Sample",
    "settings": {"timezone": "Europe/Berlin"},
    "nodes": [
        START,
        {
            "id": "hook",
            "name": "Hook",
            "type": "trigger.webhook",
            "parameters": {"path": "in", "response_mode": "respond_node"},
        },
        {
            "id": "set",
            "name": "Set",
            "type": "data.set",
            "parameters": {"assignments": [{"name": "total", "value": "{{ $json.a + 1 }}"}]},
        },
        {
            "id": "big",
            "name": "Big?",
            "type": "flow.if",
            "parameters": {
                "conditions": [
                    {"left": "{{ $json.total }}", "type": "number", "operator": "gt", "right": 3}
                ]
            },
            "settings": {"retry": {"max_attempts": 2}, "on_error": "error_port"},
        },
        {
            "id": "answer",
            "name": "Answer",
            "type": "flow.respond",
            "parameters": {"respond_with": "first_item"},
        },
    ],
    "connections": [
        {"from": "start", "to": "set"},
        {"from": "hook", "to": "set"},
        {"from": "set", "to": "big"},
        {"from": "big", "port": "true", "to": "answer"},
    ],
}


def test_the_sample_is_sound() -> None:
    assert validate_document(json.dumps(SAMPLE).encode(), builtin()) == []


@pytest.mark.parametrize("node_type", TYPES, ids=lambda node_type: node_type.type)
def test_the_examples_of_every_type_are_valid_in_a_workflow(node_type: NodeType[Any]) -> None:
    for example in node_type.examples:
        # An example may refer to nodes of the workflow it was taken from; a placeholder says so.
        node = {"id": "it", "name": "It", "type": node_type.type, "parameters": example}
        others, edges = _surroundings(node_type)
        definition = {"nodes": [START, node, *others], "connections": edges}
        diagnostics = validate(Workflow.model_validate(definition), builtin())
        codes = {one.code for one in diagnostics} - {"unknown_reference", "placeholder"}
        assert codes == set(), (example, diagnostics)


@pytest.mark.parametrize("node_type", TYPES, ids=lambda node_type: node_type.type)
def test_what_leaves_a_node_is_what_its_type_said_of_it(node_type: NodeType[Any]) -> None:
    kind = type(node_type)
    if not isinstance(node_type, PureNode) or isinstance(node_type, Trigger):
        return
    given_items = items({"id": 1, "total": 2.5, "email": "a@x.test", "created": "2026-03-02"})
    coming = Shape({name: kind_of(value) for name, value in given_items[0]["json"].items()})
    for example in node_type.examples:
        said = node_type.gives(example, coming)
        if said.is_open or find_expressions(example):
            continue
        by_input = dict.fromkeys(node_type.input_names(example), given_items)
        outcome = node_type.run(given(kind, example, by_input))
        if isinstance(outcome, Failed):
            continue  # it asks for fields that these items have not
        assert isinstance(outcome, Done)
        for item in (one for port in outcome.outputs.values() for one in port):
            assert item["json"].keys() <= said.fields.keys(), example
            for name, value in item["json"].items():
                assert said.fields[name] == "any" or kind_of(value) in (said.fields[name], "any")


def _surroundings(node_type: NodeType[Any]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The nodes and connections that a node needs around it to be of use."""
    if isinstance(node_type, Trigger):
        return [], []
    if node_type.inputs:
        name = node_type.input_names(node_type.examples[0])[0]
        return [], [{"from": "start", "to": "it", "input": name}]
    (kind,) = node_type.attaches_as()
    others = [AGENT] if kind == "model" else [AGENT, BRAIN]
    attached = [{"from": "it", "to": "agent", "port": kind, "input": kind}]
    if BRAIN in others:
        attached.append({"from": "brain", "to": "agent", "port": "model", "input": "model"})
    return others, [{"from": "start", "to": "agent"}, *attached]


_words = ["{{", "{{ $json", "{{ $('x') }}", "start", "set", "flow.loop", "/", "~", ""]
_scraps = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(
            ["{{", "{{ $json", "{{ $('x') }}", "start", "set", "flow.loop", "/", "~", ""]
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()  # pyright: ignore[reportUnknownVariableType] (JSON)
    elif isinstance(value, list):
        pairs = enumerate(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (JSON)
    below = [place for key, inner in pairs for place in _places(inner, (*path, key))]
    return [path, *below] if path else below


@forall(st.lists(st.tuples(st.sampled_from(_places(SAMPLE)), _scraps), min_size=1, max_size=4))
def test_no_definition_makes_it_stumble(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    definition = copy.deepcopy(SAMPLE)
    for (*way, last), scrap in changes:
        target: Any = definition
        try:
            for step in way:
                target = target[step]
            target[last] = scrap
        except (KeyError, IndexError, TypeError):
            continue
    for one in validate_document(json.dumps(definition).encode(), builtin()):
        assert one.code
        assert one.message
        assert one.pointer == "" or one.pointer.startswith("/")


@forall(st.binary(max_size=40))
def test_no_document_makes_it_stumble(document: bytes) -> None:
    assert not is_valid(validate_document(document, builtin()))


def _chain(size: int) -> Workflow:
    """A long definition in which everything is slightly wrong."""
    nodes: list[dict[str, Any]] = [START]
    edges: list[dict[str, Any]] = []
    for number in range(1, size):
        expression = f"{{{{ $('Node {number - 5}').item.json.x }}}}"
        parameters = {"fields": [{"name": "x", "value": expression}]}
        nodes.append(
            {
                "id": f"n{number}",
                "name": f"Node {number}",
                "type": "data.set",
                "parameters": parameters,
            }
        )
        before = "start" if number == 1 else f"n{number - 1}"
        edges += [{"from": before, "to": f"n{number}"}, {"from": before, "to": f"m{number}"}]
    return Workflow.model_validate({"nodes": nodes, "connections": edges})


def test_time_grows_no_faster_than_the_definition() -> None:
    def seconds(size: int) -> float:
        workflow = _chain(size)
        validate(workflow, builtin())  # compiles its expressions
        tries: list[float] = []
        for _ in range(3):
            began = time.perf_counter()
            assert validate(workflow, builtin())
            tries.append(time.perf_counter() - began)
        return min(tries)

    assert seconds(500) < 20 * seconds(50)

"""What every node type must do. Types come from the catalogue: a new one is tested at once."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from engine_service.catalogue import builtin, describe
from engine_service.expressions import Evaluator, Scope, compile_parameters
from engine_service.sdk.node import (
    ERROR,
    MAIN,
    ActionNode,
    AttachedNode,
    Done,
    Effect,
    Failed,
    NodeInput,
    NodeType,
    Outcome,
    PureNode,
    Resumption,
    Waiting,
)
from shared.attachments import ATTACHMENTS
from shared.workflow import Item, JsonObject
from tests.support.run_node import NOW, given, items, run_action
from tests.support.worlds import SPOKEN, TABLE, Hanging, answering, failing, hanging

TYPES = [type(node_type) for node_type in builtin()]
EXAMPLES = [
    pytest.param(node_type, example, id=f"{node_type.type}-{number}")
    for node_type in TYPES
    for number, example in enumerate(node_type.examples)
]
RUNNING = [
    pytest.param(node_type, example, id=f"{node_type.type}-{number}")
    for node_type in TYPES
    if not issubclass(node_type, AttachedNode)
    for number, example in enumerate(node_type.examples)
]
ACTIONS = [
    pytest.param(node_type, node_type.examples[0], id=node_type.type)
    for node_type in TYPES
    if issubclass(node_type, ActionNode)
]
# Whose work it is to fail.
FAILING = {"flow.stop", "flow.placeholder"}
# What the examples' expressions speak of.
PERSON: JsonObject = {
    "id": 7, "name": "Ada", "first": "Ada", "price": 12.5, "total": 150, "kind": "customer",
    "score": 60, "subject": "Urgent", "tags": ["a"], "email": "ada@example.com",
    "customer": "Ada", "text": "A long text.", "message": "It broke.",
    "due_at": "2026-03-01T00:00:00Z",
}  # fmt: skip


def each_type(test: Any) -> Any:
    return pytest.mark.parametrize("node_type", TYPES, ids=lambda each: each.type)(test)


def each_example(test: Any) -> Any:
    return pytest.mark.parametrize(("node_type", "example"), EXAMPLES)(test)


def each_running_example(test: Any) -> Any:
    return pytest.mark.parametrize(("node_type", "example"), RUNNING)(test)


def each_action(test: Any) -> Any:
    return pytest.mark.parametrize(("node_type", "example"), ACTIONS)(test)


# --- what it says of itself


@each_type
def test_its_name_says_its_family(node_type: type[NodeType[Any]]) -> None:
    family, _, name = node_type.type.partition(".")
    assert family in {
        "trigger", "flow", "data", "code", "http", "human",
        "ai", "model", "memory", "parser", "mcp", "graphql", "openapi",
        "slack", "github", "notion", "google", "telegram", "discord", "rss", "s3",
        *SPOKEN,
    }  # fmt: skip
    assert name
    assert node_type.title
    assert node_type.title[0].isupper()


@each_type
def test_its_schema_is_valid_and_describes_every_field(node_type: type[NodeType[Any]]) -> None:
    schema = describe(node_type).schema
    Draft202012Validator.check_schema(schema)
    objects: list[JsonObject] = [schema, *schema.get("$defs", {}).values()]
    for each in objects:
        for name, field in each.get("properties", {}).items():
            assert field.get("description"), f"{name} has no description"


@each_type
def test_it_refuses_parameters_it_does_not_know(node_type: type[NodeType[Any]]) -> None:
    with pytest.raises(ValidationError, match="no_such_parameter"):
        node_type.Parameters.model_validate({**node_type.examples[0], "no_such_parameter": 1})


@each_type
def test_it_documents_itself(node_type: type[NodeType[Any]]) -> None:
    told = describe(node_type)
    assert told.description.endswith(".")
    assert len(told.description) <= 100
    assert len(told.documentation) > len(told.description)
    assert inspect.getmodule(node_type).__doc__.startswith(f"`{node_type.type}`")  # pyright: ignore[reportOptionalMemberAccess] - each has a module with a docstring


@each_type
def test_it_can_be_found_in_two_languages(node_type: type[NodeType[Any]]) -> None:
    chinese = [word for word in node_type.keywords if not word.isascii()]
    assert len(chinese) >= 2
    assert len(node_type.keywords) - len(chinese) >= 4
    assert len(set(node_type.keywords)) == len(node_type.keywords)


@each_type
def test_whatever_touches_the_world_says_how(node_type: type[NodeType[Any]]) -> None:
    # An author's code needs a service to be computed with, and touches nothing all the same.
    computed = issubclass(node_type, PureNode | AttachedNode) or node_type.family() == "code"
    assert computed == (node_type.effect is Effect.PURE)


@each_type
def test_what_it_attaches_is_of_a_kind_that_the_language_has(
    node_type: type[NodeType[Any]],
) -> None:
    assert {*node_type.attachments, *node_type.attaches_as()} <= {*ATTACHMENTS}
    assert not {*node_type.inputs} & {*ATTACHMENTS}
    assert issubclass(node_type, AttachedNode) == (not node_type.inputs and not node_type.outputs)


# --- its examples


@each_example
def test_an_example_is_valid(node_type: type[NodeType[Any]], example: JsonObject) -> None:
    validator: Any = Draft202012Validator(describe(node_type).schema)
    assert validator.is_valid(example)
    parameters = node_type.Parameters.model_validate(example)
    # Of its kind alone an example is never done: somebody must still choose the step.
    expected = ["placeholder"] if node_type.type == "flow.placeholder" else []
    assert [code for _, code, _ in node_type.check(parameters)] == expected
    again = node_type.Parameters.model_validate(parameters.model_dump(by_alias=True))
    assert again == parameters


@each_example
def test_ports_and_inputs_are_known_before_expressions_are(
    node_type: type[NodeType[Any]], example: JsonObject
) -> None:
    for parameters in (example, {}, {"rules": "{{ $json.rules }}", "inputs": "{{ 3 }}"}):
        ports = [*node_type.ports(parameters), *node_type.input_names(parameters)]
        assert all(isinstance(name, str) and name for name in ports)  # pyright: ignore[reportUnnecessaryIsInstance] - that is the test
    assert len(set(node_type.ports(example))) == len(node_type.ports(example))


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(timeout=10.0)
    yield made
    await made.close()


async def what_it_gets(
    node_type: type[NodeType[Any]], example: JsonObject, evaluator: Evaluator
) -> NodeInput[Any]:
    """Two items by each input, and the example filled for them."""
    people: list[Item] = items(PERSON, {**PERSON, "id": 8, "total": 50, "score": 10})
    for person in people:
        person["binary"] = dict.fromkeys(("data", "report", "invoice"), TABLE)
    compiled = compile_parameters(example)
    each = await evaluator.resolve(compiled, Scope(items=people, now=NOW))
    single = each[:1] if not node_type.per_item else each
    names = node_type.input_names(example) or (MAIN,)
    return given(node_type, single, dict.fromkeys(names, people))


def assert_declared(outcome: Done, node_type: type[NodeType[Any]], example: JsonObject) -> None:
    # A loop numbers its batches; the engine takes one after another through the port.
    used = {
        port.partition(":")[0] if node_type.type == "flow.loop" else port
        for port in outcome.outputs
    }
    assert used <= {*node_type.ports(example), ERROR}
    json.dumps(outcome.outputs, allow_nan=False)
    assert all(isinstance(i["json"], dict) for its in outcome.outputs.values() for i in its)


@each_running_example
async def test_an_example_runs(
    node_type: type[NodeType[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    what = await what_it_gets(node_type, example, evaluator)
    before = json.dumps(what.inputs)
    if issubclass(node_type, PureNode):
        outcome = node_type().run(what)
    else:
        outcome = await run_action(as_action(node_type), what, answering(node_type))
    if isinstance(outcome, Done):
        assert_declared(outcome, node_type, example)
        assert not outcome.failures
    elif isinstance(outcome, Failed):
        spoken = node_type.family() in SPOKEN and outcome.code == "connect_failed"
        assert spoken or node_type.type in FAILING
    assert json.dumps(what.inputs) == before, "a node must not change what it is given"


@each_example
async def test_pure_nodes_give_the_same_again(
    node_type: type[NodeType[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    what = await what_it_gets(node_type, example, evaluator)
    if issubclass(node_type, PureNode):
        assert node_type().run(what) == node_type().run(what)


@each_running_example
async def test_no_items_are_no_mistake(
    node_type: type[NodeType[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    filled = await what_it_gets(node_type, example, evaluator)
    nothing = {name: list[Item]() for name in filled.inputs}
    what = given(node_type, [p.model_dump(by_alias=True) for p in filled.parameters[:1]], nothing)
    if issubclass(node_type, PureNode):
        outcome: Outcome = node_type().run(what)
    else:
        outcome = await run_action(as_action(node_type), what, answering(node_type))
    assert isinstance(outcome, Done | Waiting) or node_type.type in FAILING


# --- actions


@each_example
async def test_an_action_says_what_it_would_do_without_doing_it(
    node_type: type[NodeType[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    if not issubclass(node_type, ActionNode):
        return
    what = await what_it_gets(node_type, example, evaluator)
    plan = node_type().plan(what.parameters_for(0))
    assert plan
    assert "\n" not in plan
    assert "a token" not in plan
    assert_declared(node_type().sample(what), node_type, example)


@each_action
async def test_an_action_can_be_cancelled_at_any_wait(
    node_type: type[ActionNode[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    what = await what_it_gets(node_type, example, evaluator)
    world = Hanging()
    running = asyncio.create_task(run_action(node_type, what, hanging(world, node_type)))
    reached = asyncio.create_task(world.reached.wait())
    await asyncio.wait([running, reached], return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if running.done():
        assert isinstance(running.result(), Waiting | Done)  # it had nothing to wait for itself
        return
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert world.inside == 0


@each_action
async def test_a_failing_world_is_a_classified_failure(
    node_type: type[ActionNode[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    what = await what_it_gets(node_type, example, evaluator)
    outcome = await run_action(node_type, what, failing(node_type))
    if isinstance(outcome, Failed):
        assert outcome.code.isidentifier()
        assert outcome.code.islower()
        assert outcome.message
        assert outcome.retryable
    else:
        assert isinstance(outcome, Waiting | Done)


@each_action
async def test_whoever_waited_goes_on_when_the_time_is_up(
    node_type: type[ActionNode[Any]], example: JsonObject, evaluator: Evaluator
) -> None:
    what = await what_it_gets(node_type, example, evaluator)
    if not isinstance(await run_action(node_type, what, answering(node_type)), Waiting):
        return
    late = given(
        node_type,
        [one.model_dump(by_alias=True) for one in what.parameters],
        what.inputs,
        resumption=Resumption(None, NOW),
    )
    outcome = await run_action(node_type, late, answering(node_type))
    assert isinstance(outcome, Done)
    assert_declared(outcome, node_type, example)
    assert any(outcome.outputs.values())


# --- worlds for actions: the outside, which answers, hangs or fails


def as_action(node_type: type[NodeType[Any]]) -> type[ActionNode[Any]]:
    assert issubclass(node_type, ActionNode)
    return node_type


# --- the catalogue


def test_no_name_is_there_twice() -> None:
    names: Sequence[str] = [node_type.type for node_type in TYPES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [("http.requst", "http.request"), ("data.sett", "data.set"), ("logic.if", "flow.if")],
)
def test_a_misspelt_type_has_a_nearest_one(asked: str, nearest: str) -> None:
    assert builtin().nearest(asked) == nearest
    assert builtin().find(asked) is None


def test_keywords_do_not_all_mean_the_same() -> None:
    """A word that most types claim would find none of them."""
    claims: Mapping[str, int] = {
        word: sum(word in node_type.keywords for node_type in TYPES)
        for node_type in TYPES
        for word in node_type.keywords
    }
    assert max(claims.values()) <= 3

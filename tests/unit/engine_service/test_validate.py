"""Every defect a definition can have: where it is found, what it is called, what would mend it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from engine_service.catalogue import Catalogue
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity
from engine_service.definitions.validate import is_valid, require_valid, validate, validate_document
from engine_service.sdk.node import (
    AttachedNode,
    Done,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.triggers.manual import ManualTrigger
from engine_service.triggers.schedule import Schedule
from engine_service.triggers.webhook import Webhook
from shared.errors import InvalidInput
from shared.workflow import JsonObject, Workflow


class Basic(BaseModel):
    user: str
    tries: int = 1


class Plain(BaseModel):
    token: Literal["a", "b"]


class TryParameters(NodeParameters):
    url: str
    times: int = Field(default=1, ge=1)
    flag: bool = False
    kind: Literal["one", "two"] = "one"
    auth: Basic | Plain | None = None
    rows: list[int] = Field(default_factory=list[int])
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _ordered(self) -> "TryParameters":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Try(PureNode[TryParameters]):
    """A node with every sort of parameter."""

    Parameters = TryParameters
    type = "test.try"
    title = "Try"
    outputs = ("main", "other")
    credential_types = ("http_basic",)
    examples: ClassVar[tuple[JsonObject, ...]] = ({"url": "x"},)

    def run(self, given: NodeInput[TryParameters]) -> Outcome:
        return Done({"main": given.items})

    @classmethod
    def check(cls, parameters: TryParameters) -> Sequence[tuple[str, str, str]]:
        return [("/url", "bad_url", "No address.")] if " " in parameters.url else []


class Loop(PureNode[NodeParameters]):
    """Stands where a loop stands."""

    Parameters = NodeParameters
    type = "flow.loop"
    title = "Loop"
    outputs = ("loop", "done")
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)

    def run(self, given: NodeInput[NodeParameters]) -> Outcome:
        return Done({"done": given.items})


class Agent(Try):
    """Takes others as its own."""

    type = "test.agent"
    attachments: ClassVar[Mapping[str, int]] = {"model": 1, "tool": 5}


class Brain(AttachedNode[NodeParameters]):
    """Is attached, and never runs."""

    Parameters = NodeParameters
    type = "test.brain"
    title = "Brain"
    kind = "model"
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)


CATALOGUE = Catalogue([ManualTrigger, Schedule, Webhook, Try, Loop, Agent, Brain])
START = {"id": "start", "name": "Start", "type": "trigger.manual"}


def node(node_id: str, **fields: Any) -> dict[str, Any]:
    plain = {"id": node_id, "name": node_id.upper(), "type": "test.try"}
    return {**plain, "parameters": {"url": "x"}, **fields}


def edge(way: str, port: str = "main", **fields: Any) -> dict[str, Any]:
    source, target = way.split(">")
    return {"from": source, "to": target, "port": port, **fields}


def found(nodes: list[dict[str, Any]], *edges: dict[str, Any], **fields: Any) -> list[Diagnostic]:
    definition = Workflow.model_validate({"nodes": nodes, "connections": edges, **fields})
    return validate(definition, CATALOGUE)


def brief(diagnostics: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in diagnostics]


def parameters_of(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """What is found about a single node's parameters, with pointers below them."""
    diagnostics = found([START, node("a", parameters=parameters)], edge("start>a"))
    base = "/nodes/1/parameters"
    assert all(one.pointer.startswith(base) for one in diagnostics)
    return [(one.pointer.removeprefix(base), one.code) for one in diagnostics]


def test_a_sound_definition_has_no_findings() -> None:
    nodes = [START, node("a"), node("b", parameters={"url": "{{ $('A').item.json.url }}"})]
    assert found(nodes, edge("start>a"), edge("a>b", "other")) == []


# --- the whole


def test_nothing_starts_a_workflow_without_an_enabled_trigger() -> None:
    assert brief(found([])) == [("/nodes", "no_trigger")]
    assert ("/nodes", "no_trigger") in brief(found([node("a")]))
    assert brief(found([{**START, "disabled": True}])) == [("/nodes", "no_trigger")]


def test_ids_and_names_may_not_repeat() -> None:
    twins = [START, node("a"), node("a")]
    assert brief(found(twins, edge("start>a")))[:2] == [
        ("/nodes/2", "unreachable_node"),
        ("/nodes/2/id", "duplicate_node_id"),
    ]
    namesakes = [START, node("a"), node("b", name="A")]
    [finding] = found(namesakes, edge("start>a"), edge("start>b"))
    assert (finding.pointer, finding.code) == ("/nodes/2/name", "duplicate_node_name")
    assert "'A 2'" in finding.suggestion


def test_an_unknown_time_zone_is_found_with_the_nearest() -> None:
    [finding] = found([START], settings={"timezone": "Europe/Berln"})
    assert (finding.pointer, finding.code) == ("/settings/timezone", "unknown_timezone")
    assert "Europe/Berlin" in finding.suggestion


# --- nodes


def test_an_unknown_type_is_found_with_the_nearest() -> None:
    [finding] = found([START, node("a", type="test.tri")], edge("start>a"))
    assert (finding.pointer, finding.code) == ("/nodes/1/type", "unknown_node_type")
    assert "'test.try'" in finding.suggestion


def test_unknown_versions_and_credentials_are_found() -> None:
    nodes = [START, node("a", version=7, credentials={"http_basik": "cred_1"})]
    assert brief(found(nodes, edge("start>a"))) == [
        ("/nodes/1/credentials/http_basik", "unknown_credential_type"),
        ("/nodes/1/version", "unknown_node_version"),
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [("", "missing_parameter")]),
        ({"url": 3}, [("/url", "invalid_parameter")]),
        ({"url": "x", "times": 0}, [("/times", "invalid_parameter")]),
        ({"url": "x", "ulr": "y"}, [("/ulr", "unknown_parameter")]),
        ({"url": "x", "kind": "three"}, [("/kind", "invalid_parameter")]),
        ({"url": "x", "rows": [1, "no", 3]}, [("/rows/1", "invalid_parameter")]),
        ({"url": "x y"}, [("/url", "bad_url")]),
        ({"url": "x", "low": 9, "high": 1}, [("", "invalid_parameter")]),
    ],
)
def test_parameters_are_held_against_the_type(
    parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert parameters_of(parameters) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        {"url": "{{ $json.url }} and more"},
        {"url": "x", "times": "{{ $json.n }}", "flag": "{{ $json.f }}", "kind": "{{ $json.k }}"},
        {"url": "x", "rows": "{{ $json.rows }}"},
        {"url": "x", "rows": [1, "{{ $json.n }}"]},
        {"url": "x", "auth": "{{ $json.auth }}"},
        {"url": "x", "auth": {"user": "u", "tries": "{{ $json.n }}"}},
        {"url": "x", "auth": {"token": "{{ $json.n }}"}},
        {"url": "x", "low": "{{ $json.n }}", "high": -1},
    ],
)
def test_the_type_of_an_expression_is_not_known_yet(parameters: dict[str, Any]) -> None:
    assert parameters_of(parameters) == []


def test_an_expression_excuses_only_its_own_place() -> None:
    assert parameters_of({"times": "{{ $json.n }}", "flag": "perhaps", "x": "{{ $json.x }}"}) == [
        ("", "missing_parameter"),
        ("/flag", "invalid_parameter"),
        ("/x", "unknown_parameter"),
    ]


def test_a_parameter_that_nobody_knows_gets_the_nearest_name() -> None:
    diagnostics = found(
        [START, node("a", parameters={"url": "x", "tmies": 1, "auth": {"user": "u", "usr": 1}})],
        edge("start>a"),
    )
    assert "'times'" in next(d for d in diagnostics if d.pointer.endswith("tmies")).suggestion


def test_a_disabled_node_may_be_unfinished() -> None:
    nodes = [START, node("a", parameters={"url": "{{ ( }}", "bad": 1}, disabled=True)]
    assert found(nodes, edge("start>a")) == []


def test_triggers_hold_no_expressions() -> None:
    rules = {"rules": [{"cron": "{{ $json.cron }}"}]}
    nodes = [{"id": "c", "name": "C", "type": "trigger.schedule", "parameters": rules}]
    assert brief(found(nodes)) == [("/nodes/0/parameters/rules/0/cron", "expression_in_trigger")]


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"rules": [{"cron": "61 * * * *"}]}, "/rules/0/cron"),
        ({"rules": [{"cron": "* *"}]}, "/rules/0/cron"),
        ({"rules": [{"unit": "days"}], "timezone": "Mars/Olympus"}, "/timezone"),
        ({"rules": []}, "/rules"),
    ],
)
def test_a_bad_schedule_is_found(parameters: dict[str, Any], where: str) -> None:
    nodes = [{"id": "c", "name": "C", "type": "trigger.schedule", "parameters": parameters}]
    [finding] = found(nodes)
    assert finding.pointer == f"/nodes/0/parameters{where}"


def test_two_webhooks_cannot_share_a_path() -> None:
    hooks = [
        {"id": name, "name": name, "type": "trigger.webhook", "parameters": {"path": "in"}}
        for name in ("a", "b")
    ]
    assert brief(found(hooks)) == [("/nodes/1/parameters", "duplicate_webhook_path")]


# --- connections


def test_connections_lead_from_a_node_to_a_node() -> None:
    [first, second] = found([START, node("a")], edge("start>a"), edge("a>b"), edge("strt>a"))
    assert brief([first, second]) == [
        ("/connections/1/to", "unknown_node"),
        ("/connections/2/from", "unknown_node"),
    ]
    assert "'start'" in second.suggestion


def test_connections_lead_from_a_port_to_an_input() -> None:
    edges = [edge("start>a"), edge("a>b", "othr"), edge("a>b", input="left"), edge("a>start")]
    diagnostics = found([START, node("a"), node("b")], *edges)
    assert brief(diagnostics) == [
        ("/connections/1/port", "unknown_port"),
        ("/connections/2/input", "unknown_input"),
        ("/connections/3/input", "unknown_input"),
    ]
    assert "'other'" in diagnostics[0].suggestion
    assert "no inputs at all" in diagnostics[2].suggestion


def test_the_error_port_is_there_when_the_settings_say_so() -> None:
    edges = [edge("start>a"), edge("a>b", "error")]
    assert brief(found([START, node("a"), node("b")], *edges)) == [
        ("/connections/1/port", "unknown_port")
    ]
    careful = node("a", settings={"on_error": "error_port"})
    assert found([START, careful, node("b")], *edges) == []


def test_a_connection_that_is_there_twice_is_suspicious() -> None:
    diagnostics = found([START, node("a")], edge("start>a"), edge("start>a"))
    assert brief(diagnostics) == [("/connections/1", "duplicate_connection")]
    assert is_valid(diagnostics)


# --- shape


def test_a_node_that_nothing_leads_to_is_suspicious() -> None:
    diagnostics = found([START, node("a"), node("b")], edge("start>a"))
    assert brief(diagnostics) == [("/nodes/2", "unreachable_node")]
    assert diagnostics[0].severity is Severity.WARNING


LOOPING = [START, node("l", type="flow.loop", parameters={}), node("a"), node("z")]


def test_a_loop_may_be_led_back_to() -> None:
    body = [edge("start>l"), edge("l>a", "loop"), edge("a>l"), edge("l>z", "done")]
    assert found(LOOPING, *body) == []
    assert found(LOOPING[:2], edge("start>l"), edge("l>l", "loop")) == []


def test_loops_nest_but_do_not_entangle() -> None:
    loops = [START, *(node(name, type="flow.loop", parameters={}) for name in ("l", "m"))]
    nested = [edge("start>l"), edge("l>m", "loop"), edge("m>m", "loop"), edge("m>l", "done")]
    assert found(loops, *nested) == []
    entangled = [edge("start>l"), edge("l>m", "loop"), edge("m>l", "loop")]
    assert brief(found(loops, *entangled)) == [("/nodes/2", "loops_entangled")]


# --- expressions


AGENT = node("agent", type="test.agent")
BRAIN = node("brain", type="test.brain", parameters={})


def attached(*edges: dict[str, Any], more: Sequence[dict[str, Any]] = ()) -> list[Diagnostic]:
    """What is found where an agent has others attached in some way."""
    return found([START, node("a"), AGENT, BRAIN, *more], edge("start>a"), edge("a>agent"), *edges)


@pytest.mark.parametrize("port", ["main", "model"])
def test_what_is_attached_is_reached_through_its_user(port: str) -> None:
    assert attached(edge("brain>agent", port, input="model")) == []


@pytest.mark.parametrize(
    ("edges", "code", "suggestion"),
    [
        ([edge("brain>agent", "brain", input="model")], "unknown_port", "Did you mean 'model'?"),
        ([edge("brain>agent", input="memory")], "unknown_input", "It takes 'model', 'tool'."),
        ([edge("brain>a", input="model")], "unknown_input", "Attach it to a node such as"),
        ([edge("brain>agent", input="tool")], "wrong_attachment", "Attach it as 'model', or"),
    ],
)
def test_an_attachment_must_fit(edges: list[dict[str, Any]], code: str, suggestion: str) -> None:
    [diagnostic] = [one for one in attached(*edges) if one.pointer.startswith("/connections/2")]
    assert diagnostic.code == code
    assert diagnostic.suggestion.startswith(suggestion)


def test_no_more_is_attached_than_is_taken() -> None:
    second = node("second", type="test.brain", parameters={})
    ways = [edge("brain>agent", input="model"), edge("second>agent", input="model")]
    assert brief(attached(*ways, more=[second])) == [("/connections/3/input", "too_many_attached")]


def test_an_attached_node_takes_no_part_in_the_flow() -> None:
    ways = [edge("brain>agent", input="model"), edge("b>agent", input="tool"), edge("start>b")]
    assert brief(attached(*ways, more=[node("b")])) == [("/connections/4", "attached_node_in_flow")]


def test_what_nothing_uses_is_suspicious() -> None:
    assert brief(attached()) == [("/nodes/3", "not_attached")]


def test_a_tool_sees_what_ran_before_its_user() -> None:
    def using(name: str) -> list[tuple[str, str]]:
        tool = node("b", parameters={"url": f"{{{{ $('{name}').first().json.url }}}}"})
        ways = [edge("brain>agent", input="model"), edge("b>agent", input="tool")]
        return brief(attached(*ways, more=[tool]))

    assert using("A") == []
    assert using("BRAIN") == [("/nodes/4/parameters/url", "reference_not_upstream")]


def test_agents_do_not_use_each_other_in_a_circle() -> None:
    other = node("other", type="test.agent")
    ways = [
        edge("brain>agent", input="model"),
        edge("other>agent", input="tool"),
        edge("agent>other", input="tool"),
    ]
    assert ("/connections/4", "cycle") in brief(attached(*ways, more=[other]))


def referring(expression: str) -> list[Diagnostic]:
    nodes = [
        START,
        node("a"),
        node("b", parameters={"url": f"x {{{{ {expression} }}}}"}),
        node("c"),
    ]
    return found(nodes, edge("start>a"), edge("a>b"), edge("start>c"))


@pytest.mark.parametrize(
    "expression",
    ["$('A').item.json.x", "$node['Start'].json.y", "$json.a + $now.year", "$if(true, 1, 2)"],
)
def test_expressions_may_use_what_ran_before(expression: str) -> None:
    assert referring(expression) == []


@pytest.mark.parametrize(
    ("expression", "code", "suggestion"),
    [
        ("$('Aa').item.json.x", "unknown_reference", "'A'"),
        ("$('a').item.json.x", "unknown_reference", "write 'A'"),
        ("$('C').item.json.x", "reference_not_upstream", "Connect"),
        ("$('B').item.json.x", "reference_not_upstream", "Connect"),
        ("$('A'", "expression_syntax", ""),
        ("$jsn.x", "unknown_name", "'$json'"),
        ("constructor.constructor('x')", "", ""),
    ],
)
def test_expressions_that_cannot_work_are_found(
    expression: str, code: str, suggestion: str
) -> None:
    [finding] = referring(expression)
    assert finding.pointer == "/nodes/2/parameters/url"
    assert finding.code == (code or finding.code)
    assert suggestion in finding.suggestion


def test_a_loops_body_sees_itself() -> None:
    nodes = [*LOOPING[:3], node("b", parameters={"url": "{{ $('A').item.json.x }}"})]
    nodes[2] = node("a", parameters={"url": "{{ $('B').item.json.x }}"})
    edges = [edge("start>l"), edge("l>a", "loop"), edge("a>b"), edge("b>l")]
    assert found(nodes, *edges) == []


# --- documents


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"nodes": 1}', b"\xff", b'{"node": []}'])
def test_a_malformed_document_is_diagnosed_too(document: bytes) -> None:
    diagnostics = validate_document(document, CATALOGUE)
    assert diagnostics
    assert not is_valid(diagnostics)


def test_findings_come_in_order_of_place() -> None:
    nodes = [START, *(node(f"n{number}", type="test.none") for number in range(12))]
    document = {"nodes": nodes, "connections": [edge("start>x")], "settings": {"timezone": "?"}}
    diagnostics = validate_document(json.dumps(document).encode(), CATALOGUE)
    places = [one.pointer.split("/")[1:3] for one in diagnostics]
    assert places[0] == ["settings", "timezone"]
    numbers = [int(number) for section, number in places if section == "nodes"]
    assert numbers == sorted(numbers)
    assert places[-1][0] == "connections"


def test_what_is_not_valid_is_refused_with_every_error() -> None:
    diagnostics = found([START, node("a", type="test.tri"), node("b")], edge("start>a"))
    with pytest.raises(InvalidInput) as caught:
        require_valid(diagnostics, "activated")
    assert caught.value.code == "INVALID_DEFINITION"
    assert [one.code for one in caught.value.violations] == ["unknown_node_type"]

"""Outputs and inputs by number become ports with names; what has none is said to be lost."""

from engine_service.n8n.connections import edges
from engine_service.n8n.document import Wire
from engine_service.n8n.mapping import Mapped
from shared.workflow import JsonObject

IF = Mapped("flow.if", {}, outputs=("true", "false"))
OLD_SWITCH = Mapped("flow.switch", {}, outputs=((), ("case:0", "case:1")))
MERGE = Mapped("flow.merge", {}, inputs=("input1", "input2"))
AGENT = Mapped("flow.placeholder", {}, outputs=("main",), inputs=("main", "ai_tool"))
TOOL = Mapped("flow.placeholder", {}, outputs=("ai_tool",))


def found(
    source: Mapped, target: Mapped, *, kind: str = "main", output: int = 0, index: int = 0,
    error_port: bool = False,
) -> list[JsonObject | str]:  # fmt: skip
    wire = Wire("A", kind, output, "B", index)
    with_error_port = frozenset({"A"} if error_port else ())
    return list(edges([wire], {"A": source, "B": target}, {"A": "a", "B": "b"}, with_error_port))


def test_numbers_become_names() -> None:
    assert found(IF, MERGE, output=1, index=1) == [
        {"from": "a", "to": "b", "port": "false", "input": "input2"}
    ]


def test_the_output_behind_the_last_is_that_of_errors() -> None:
    assert found(IF, MERGE, output=2, error_port=True) == [
        {"from": "a", "to": "b", "port": "error", "input": "input1"}
    ]
    assert found(IF, MERGE, output=2) == [
        "The connection from 'A' to 'B' is lost: there is no output 2 here."
    ]


def test_one_output_may_be_several_ports() -> None:
    ports = [edge["port"] for edge in found(OLD_SWITCH, IF, output=1) if not isinstance(edge, str)]
    assert ports == ["case:0", "case:1"]


def test_an_input_that_is_not_there_is_said() -> None:
    assert found(MERGE, IF, index=1) == [
        "The connection from 'A' to 'B' is lost: there is no input 1 here."
    ]


def test_attachments_keep_their_kind() -> None:
    assert found(TOOL, AGENT, kind="ai_tool") == [
        {"from": "a", "to": "b", "port": "ai_tool", "input": "ai_tool"}
    ]


def test_what_was_absorbed_has_no_edges() -> None:
    assert list(edges([Wire("A", "ai_tool", 0, "B", 0)], {"B": AGENT}, {}, frozenset())) == []

"""What people see of a definition and of a run."""

import io
from typing import Any

import pytest
from rich.console import Console

from cli.drawing import run_table, workflow_tree
from tests.support.mesh import definition


def drawn(thing: Any, width: int = 120) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(thing)
    return written.getvalue()


def test_what_is_reached_twice_is_drawn_once() -> None:
    tree = drawn(
        workflow_tree(
            definition(
                [
                    {"id": "start", "type": "trigger.manual"},
                    {"id": "choice", "type": "flow.if"},
                    {"id": "ask", "type": "human.approval", "parameters": {"title": "May I?"}},
                    {"id": "send", "type": "http.request"},
                ],
                "start > choice",
                "choice.true > ask",
                "ask.approved > send",
                "choice.false > send",
            )
        )
    )
    assert "true → ask  human.approval  May I?" in tree
    assert "approved → send  http.request" in tree
    assert "false → send  http.request  ↑ above" in tree


def test_what_is_attached_stands_below_its_user() -> None:
    nodes = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {"id": "agent", "name": "Agent", "type": "ai.agent"},
        {"id": "search", "name": "Search", "type": "http.request"},
    ]
    edges = [
        {"from": "start", "to": "agent"},
        {"from": "search", "to": "agent", "input": "tool"},
    ]
    tree = drawn(workflow_tree({"name": "W", "nodes": nodes, "connections": edges}))
    lines = [line.strip(" │├└─") for line in tree.splitlines()]
    assert [line.strip() for line in lines if line] == [
        "W", "Start  trigger.manual", "Agent  ai.agent", "tool ◂ Search  http.request",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ([{"left": "{{ $json.n }}", "operator": "gt", "right": 100}], "{{ $json.n }} > 100"),
        ([{"left": "{{ $json.n }}", "operator": "exists"}], "{{ $json.n }} exists"),
        (["odd"], '["odd"]'),
        ("{{ $json.all }}", "{{ $json.all }}"),
    ],
)
def test_conditions_read_like_comparisons(conditions: Any, told: str) -> None:
    node = {"id": "choice", "type": "flow.if", "parameters": {"conditions": conditions}}
    assert told in drawn(workflow_tree(definition([node])))


def test_what_a_node_gave_or_why_it_failed_stands_beside_it() -> None:
    moments = {"start_time": "2026-01-01T00:00:00.5Z", "end_time": "2026-01-01T00:00:02Z"}
    table = drawn(
        run_table(
            {
                "nodes": [
                    {
                        "node_id": "get",
                        "iteration": "1",
                        "status": "completed",
                        **moments,
                        "outputs": {"main": [{"json": {"n": 1}}, {"json": {"n": 2}}]},
                    },
                    {"node_id": "send", "status": "failed", "error": {"message": "No answer."}},
                ]
            }
        )
    )
    assert 'get [1]  ✓ completed  1.5 s  {"n": 1} and 1 more' in table
    assert "✗ failed" in table
    assert "No answer." in table

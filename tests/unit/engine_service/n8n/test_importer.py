"""A document becomes a definition and a report: what is kept, what is said."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate
from engine_service.n8n import Imported, SourceFormat, Verdict, import_document
from shared.errors import InvalidInput
from shared.workflow import JsonObject


def node(name: str, kind: str, parameters: JsonObject | None = None, **more: Any) -> JsonObject:
    kind = kind if "." in kind else f"n8n-nodes-base.{kind}"
    return {"name": name, "type": kind, "typeVersion": 1, "parameters": parameters or {}, **more}


def document(*nodes: JsonObject, ways: str = "", **more: Any) -> JsonObject:
    """Nodes, and ways such as `A>B` or `A:1>B:1`."""
    connections: JsonObject = {}
    for way in ways.split():
        start, _, end = way.partition(">")
        source, _, output = start.partition(":")
        target, _, index = end.partition(":")
        outputs = connections.setdefault(source, {"main": []})["main"]
        while len(outputs) <= int(output or 0):
            outputs.append([])
        outputs[int(output or 0)].append({"node": target, "type": "main", "index": int(index or 0)})
    settings = {"executionOrder": "v1", "timezone": "UTC"}
    return {"nodes": list(nodes), "connections": connections, "settings": settings, **more}


START = node("Go", "manualTrigger")


def verdicts(imported: Imported) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in imported.report.nodes}


def edges(imported: Imported) -> list[tuple[str, str, str, str]]:
    return [
        (edge.source, edge.port, edge.target, edge.input) for edge in imported.workflow.connections
    ]


# --- whose format


def test_our_own_definition_is_taken_as_it_is() -> None:
    own = {
        "name": "Own",
        "nodes": [{"id": "go", "name": "Go", "type": "trigger.manual"}],
        "connections": [],
    }
    for written in (own, {"definition": own}, {"nodes": own["nodes"], "name": "Own"}):
        imported = import_document(written)
        assert imported.report.format is SourceFormat.FLOWLOOM
        assert imported.workflow.name == "Own"
        assert verdicts(imported) == {"Go": Verdict.MAPPED}


def test_wrappers_around_an_n8n_workflow_are_seen_through() -> None:
    plain = document(START)
    for written in (plain, [plain], {"workflow": plain}, {"data": {"workflowData": plain}}):
        imported = import_document(written)
        assert imported.report.format is SourceFormat.N8N
        assert [one.type for one in imported.workflow.nodes] == ["trigger.manual"]


@pytest.mark.parametrize("written", [[], "text", 7, {"nodes": [{"typeVersion": 1}]}, [1, 2]])
def test_what_is_no_workflow_is_refused(written: Any) -> None:
    with pytest.raises(InvalidInput):
        import_document(written)


# --- nothing is lost


def test_a_node_without_counterpart_becomes_a_placeholder_that_blocks() -> None:
    fax = node(
        "Fax", "fax", {"to": "={{ $json.unknown_here }}"}, credentials={"fax": {"name": "F"}}
    )
    imported = import_document(document(START, fax, ways="Go>Fax"))
    kept = imported.workflow.node("fax")
    assert kept is not None
    assert kept.type == "flow.placeholder"
    assert kept.parameters["original"]["parameters"] == fax["parameters"]
    found = validate(imported.workflow, builtin())
    assert [one.code for one in found] == ["placeholder"]
    assert "no counterpart of n8n-nodes-base.fax" in found[0].message
    assert not is_valid(found)
    assert verdicts(imported)["Fax"] is Verdict.UNMATCHED


def test_a_placeholder_has_the_ports_that_connections_use() -> None:
    imported = import_document(
        document(
            START, node("X", "fax"), node("A", "noOp"), ways="Go>X Go>X:1 X:2>A",
        )
    )  # fmt: skip
    kept = imported.workflow.node("x")
    assert kept is not None
    assert kept.parameters["outputs"] == ["main", "main2", "main3"]
    assert kept.parameters["inputs"] == ["main", "main2"]
    assert ("x", "main3", "a", "main") in edges(imported)
    assert [one.code for one in validate(imported.workflow, builtin())] == ["placeholder"]


def test_parameters_that_no_mapping_takes_are_named() -> None:
    set_node = node("Set", "set", {"values": {}, "options": {"surprise": True}})
    imported = import_document(document(START, set_node, ways="Go>Set"))
    (_, told) = imported.report.nodes
    assert told.verdict is Verdict.DIFFERENT
    assert told.differences == ("Its parameter 'options.surprise' was not carried over.",)


def test_expressions_that_ask_for_what_is_not_here_are_named() -> None:
    values = {"string": [{"name": "a", "value": "={{ $pageCount }}"}]}
    imported = import_document(document(START, node("Set", "set", {"values": values})))
    assert imported.report.nodes[1].differences == ("Expressions know no '$pageCount' here.",)


def test_connections_to_nowhere_are_named() -> None:
    imported = import_document(document(START, ways="Go>Ghost Go:3>Go"))
    assert any("'Go' to 'Ghost' leads nowhere" in note for note in imported.report.notes)
    assert any("is lost: there is no output 3 here" in note for note in imported.report.notes)


def test_sticky_notes_are_notes() -> None:
    sticky = node("Note", "stickyNote", {"content": "Mind this", "width": 300}, position=[10, 20])
    imported = import_document(document(START, sticky))
    (kept,) = imported.workflow.notes
    assert (kept.text, kept.position, kept.size) == ("Mind this", (10, 20), (300, 160))
    assert verdicts(imported)["Note"] is Verdict.MAPPED


def test_pinned_items_are_kept_by_node() -> None:
    pinned = {"Go": [{"json": {"a": 1}, "pairedItem": 0}, {"b": 2}]}
    imported = import_document(document(START, pinData=pinned))
    assert imported.workflow.pinned == {"go": [{"json": {"a": 1}}, {"json": {"b": 2}}]}


def test_names_stay_and_ids_are_made_of_them() -> None:
    names = ["Go", "Ünïcode ✓", "1st", "go", "x" * 130]
    wanted = "={{ $('" + "x" * 130 + "').item.json.a }}"
    last = node("Last", "set", {"values": {"string": [{"name": "a", "value": wanted}]}})
    imported = import_document(document(*(node(name, "noOp") for name in names), last))
    assert [one.id for one in imported.workflow.nodes][:4] == ["go", "n_code", "n_1st", "go_2"]
    long = imported.workflow.nodes[4].name
    assert long == "x" * 120
    assert imported.workflow.nodes[5].parameters["assignments"][0]["value"] == (
        "{{ $('" + long + "').item.json.a }}"
    )


def test_nodes_stand_in_the_order_in_which_n8n_goes_through_them() -> None:
    low, high = node("Low", "noOp", position=[0, 300]), node("High", "noOp", position=[0, 100])
    drawn = document({**START, "position": [0, 0]}, low, high, ways="Go>Low Go>High")
    assert [one.id for one in import_document(drawn).workflow.nodes] == ["go", "high", "low"]
    drawn["settings"] = {}
    assert [one.id for one in import_document(drawn).workflow.nodes] == ["go", "low", "high"]


def test_attached_models_become_part_of_the_chain() -> None:
    chain = node("Ask", "@n8n/n8n-nodes-langchain.chainLlm", {"promptType": "define", "text": "Hi"})
    model = node(
        "Model", "@n8n/n8n-nodes-langchain.lmChatOpenAi",
        {"model": {"__rl": True, "value": "gpt-4o"}, "options": {"temperature": 0.2}},
    )  # fmt: skip
    written = document(START, chain, model, ways="Go>Ask")
    written["connections"]["Model"] = {
        "ai_languageModel": [[{"node": "Ask", "type": "ai_languageModel", "index": 0}]]
    }
    imported = import_document(written)
    assert [one.id for one in imported.workflow.nodes] == ["go", "ask"]
    assert imported.workflow.nodes[1].parameters == {
        "prompt": "Hi", "model": "openai:gpt-4o", "temperature": 0.2,
    }  # fmt: skip
    told = next(one for one in imported.report.nodes if one.name == "Model")
    assert (told.verdict, told.node_id, told.mapped_to) == (Verdict.MAPPED, "ask", "ai.chat")


def test_an_agents_tools_stay_attached_to_it() -> None:
    agent = node("Agent", "@n8n/n8n-nodes-langchain.agent", {"options": {"maxIterations": 4}})
    model = node("Model", "@n8n/n8n-nodes-langchain.lmChatAnthropic", {"options": {}})
    fetch = node(
        "Fetch", "n8n-nodes-base.httpRequestTool",
        {"url": "https://example.com/{{ $fromAI('page', 'Which page') }}"},
    )  # fmt: skip
    other = node("Other", "@n8n/n8n-nodes-langchain.toolWikipedia")
    written = document(START, agent, model, fetch, other, ways="Go>Agent")
    for name, kind in (("Model", "ai_languageModel"), ("Fetch", "ai_tool"), ("Other", "ai_tool")):
        written["connections"][name] = {kind: [[{"node": "Agent", "type": kind, "index": 0}]]}
    imported = import_document(written)
    by_id = {one.id: one for one in imported.workflow.nodes}
    assert (by_id["agent"].type, by_id["fetch"].type) == ("ai.agent", "http.request")
    assert by_id["agent"].parameters["max_iterations"] == 4
    assert {("fetch", "main", "agent", "tool"), ("other", "ai_tool", "agent", "tool")} <= set(
        edges(imported)
    )
    assert {one.code for one in validate(imported.workflow, builtin())} == {"placeholder"}


def test_attachments_of_what_is_unmatched_stay_attached() -> None:
    agent = node("Agent", "@n8n/n8n-nodes-langchain.agent")
    tool = node("Tool", "@n8n/n8n-nodes-langchain.toolCalculator")
    written = document(START, agent, tool, ways="Go>Agent")
    written["connections"]["Tool"] = {
        "ai_tool": [[{"node": "Agent", "type": "ai_tool", "index": 0}]]
    }
    imported = import_document(written)
    assert ("tool", "ai_tool", "agent", "ai_tool") in edges(imported)
    assert verdicts(imported)["Agent"] is Verdict.UNMATCHED
    codes = {one.code for one in validate(imported.workflow, builtin())}
    assert codes <= {"placeholder", "unreachable_node"}


# --- before version 1 of the order of execution


def test_what_nobody_starts_is_led_to_when_a_join_waits_for_it() -> None:
    nodes = (START, node("A", "noOp"), node("B", "noOp"), node("Join", "merge"))
    ways = "Go>A A>Join B>Join:1"
    legacy = import_document({**document(*nodes, ways=ways), "settings": {}})
    assert ("go", "main", "b", "main") in edges(legacy)
    assert any("Nothing leads to 'B'" in note for note in legacy.report.notes)
    assert ("go", "main", "b", "main") not in edges(import_document(document(*nodes, ways=ways)))


def test_an_untaken_branch_before_a_join_runs_with_one_empty_item() -> None:
    nodes = (
        START, node("If", "if"), node("A", "noOp"), node("B", "noOp"), node("Join", "merge"),
    )  # fmt: skip
    ways = "Go>If If>A If:1>B A>Join B>Join:1"
    imported = import_document({**document(*nodes, ways=ways), "settings": {}})
    gate = imported.workflow.node("a_gate")
    assert gate is not None
    assert gate.settings.always_output
    assert {
        ("if", "true", "a_gate", "input1"),
        ("go", "main", "a_gate", "input2"),
        ("a_gate", "main", "a", "main"),
    } <= {*edges(imported)}
    assert is_valid(validate(imported.workflow, builtin()))


def test_a_branch_that_no_join_waits_for_has_no_gate() -> None:
    nodes = (START, node("If", "if"), node("A", "noOp"), node("B", "noOp"))
    imported = import_document({**document(*nodes, ways="Go>If If>A If:1>B"), "settings": {}})
    assert len(imported.workflow.nodes) == 4


def test_nodes_of_one_name_are_said_to_be_lost() -> None:
    imported = import_document(document(START, node("A", "noOp"), node("A", "noOp")))
    assert "2 nodes are called 'A'; only the last was read." in imported.report.notes


@pytest.mark.parametrize(
    "odd",
    [
        node("A", "set", {"fields": {"values": [{"type": ["x"]}]}}, typeVersion=3),
        node("A", "switch", {"rules": {"rules": []}, "fallbackOutput": 99}),
        node(
            "A", "scheduleTrigger", {"rule": {"interval": [{"field": "weeks", "triggerAtDay": 3}]}}
        ),
        node("A", "merge", {"mode": ["append"]}, typeVersion=3),
    ],
)
def test_one_odd_node_keeps_no_other_out(odd: JsonObject) -> None:
    imported = import_document(document(START, odd, ways="Go>A"))
    assert verdicts(imported) == {"Go": Verdict.MAPPED, "A": Verdict.UNMATCHED}


def test_circles_stay_as_they_were_drawn() -> None:
    wild = document(START, node("A", "noOp"), node("B", "noOp"), ways="Go>A A>B B>A")
    imported = import_document(wild)
    assert imported.report.notes == []
    assert [one.code for one in validate(imported.workflow, builtin())] == ["cycle"]  # no way out
    tame = document(
        START, node("L", "splitInBatches", typeVersion=3), node("A", "noOp"), ways="Go>L L:1>A A>L",
    )  # fmt: skip
    imported = import_document(tame)
    assert imported.report.notes == []
    assert is_valid(validate(imported.workflow, builtin()))

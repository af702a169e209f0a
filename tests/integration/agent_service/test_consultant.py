"""What is said leads to workflows: over real gRPC, on real PostgreSQL, with the offline author."""

import json
from typing import Any

import pytest

from shared.errors import Conflict, InvalidInput, Unavailable
from shared.pb.flowloom.engine.v1 import workflow_pb2, workflow_service_pb2
from shared.session_events import SESSION_EVENTS
from tests.integration.agent_service.conftest import Client
from tests.support.fake_engine import FakeEngine

ORDERS = (
    "When a webhook arrives with an order, if the amount is over 100 ask me for approval, "
    "then POST it to http://127.0.0.1:9009/orders and reply with the result"
)


def _nodes(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["type"]: node for node in definition["nodes"]}


async def test_a_sentence_becomes_a_stored_workflow_that_does_what_it_says(
    alice: Client, engine: FakeEngine
) -> None:
    heard = await alice.say(await alice.new_session(), ORDERS)
    workflow = heard.end["workflow"]
    nodes = _nodes(workflow["definition"])
    assert heard.end["outcome"] == "delivered"
    assert engine.workflows["tenant-a"][workflow["id"]].name == workflow["name"]
    assert nodes["trigger.webhook"]["parameters"]["response_mode"] == "respond_node"
    assert nodes["flow.if"]["parameters"]["conditions"] == [
        {"left": "{{ $json.body.amount }}", "type": "number", "operator": "gt", "right": 100}
    ]
    assert nodes["http.request"]["parameters"] == {
        "method": "POST",
        "url": "http://127.0.0.1:9009/orders",
        "body": "{{ $json.body }}",
    }
    edges = {
        (edge["from"], edge.get("port", "main"), edge["to"])
        for edge in workflow["definition"]["connections"]
    }
    post, approval = nodes["http.request"]["id"], nodes["human.approval"]["id"]
    assert {(approval, "approved", post), (nodes["flow.if"]["id"], "false", post)} <= edges


async def test_the_events_of_a_turn_are_numbered_without_gaps_and_fit_their_schemas(
    alice: Client,
) -> None:
    heard = await alice.say(await alice.new_session(), ORDERS)
    assert heard.sequences == list(range(1, len(heard.events) + 1))
    assert heard.types[0] == "turn.started"
    assert heard.types[-1] == "turn.completed"
    assert heard.stages == ["understand", "plan", "draft", "check", "try", "deliver"]
    for event in heard.events:
        SESSION_EVENTS[event.type].model_validate(heard.data(event))
    assert heard.end["session"]["last_sequence"] == heard.sequences[-1]


async def test_what_is_essential_and_missing_is_asked_in_one_bundle_and_never_twice(
    alice: Client,
) -> None:
    session = await alice.new_session()
    first = await alice.say(session, "every day check the stock and post it to the warehouse API")
    questions = first.one("question.asked")["questions"]
    assert first.end["outcome"] == "asked"
    assert first.end["session"]["status"] == "asking"
    assert [one["id"] for one in questions] == [
        "schedule.time",
        "request-1.url",
        "request-2.url",
    ]
    answers = {
        "schedule.time": "7:15",
        "request-1.url": "https://shop.example.com/stock",
        "request-2.url": "https://warehouse.example.com/api",
    }
    second = await alice.say(session, "", answers)
    definition = second.end["workflow"]["definition"]
    assert second.end["outcome"] == "delivered"
    assert _nodes(definition)["trigger.schedule"]["parameters"]["rules"] == [
        {"unit": "days", "at": "07:15"}
    ]
    urls = [node["parameters"]["url"] for node in definition["nodes"] if "http" in node["type"]]
    assert urls == ["https://shop.example.com/stock", "https://warehouse.example.com/api"]


async def test_an_answer_in_plain_words_is_understood(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, "every Monday fetch https://api.example.com/news")
    heard = await alice.say(session, "at half past eight please")
    rules = _nodes(heard.end["workflow"]["definition"])["trigger.schedule"]["parameters"]["rules"]
    assert rules == [{"unit": "weeks", "weekdays": ["monday"], "at": "08:30"}]


async def test_auto_asks_nothing_and_says_what_it_assumes(alice: Client) -> None:
    heard = await alice.say(
        await alice.new_session(), "every day fetch https://api.example.com/news", auto=True
    )
    assert heard.end["outcome"] == "delivered"
    assert "question.asked" not in heard.types
    assert "09:00" in heard.said


async def test_a_system_without_a_node_is_a_gap_with_alternatives_and_no_node_is_invented(
    alice: Client,
) -> None:
    session = await alice.new_session()
    first = await alice.say(
        session, "every weekday at 9 post “Good morning” to Mattermost #general"
    )
    (gap,) = first.one("gap.found")["gaps"]
    assert gap["system"] == "Mattermost"
    assert 2 <= len(gap["alternatives"]) <= 3
    assert all(one["trade_off"] for one in gap["alternatives"])
    assert first.end["outcome"] == "asked"
    second = await alice.say(session, "https://chat.example.com/hooks/x")
    http = _nodes(second.end["workflow"]["definition"])["http.request"]
    assert http["parameters"]["url"] == "https://chat.example.com/hooks/x"


async def test_whoever_refuses_is_let_go_politely(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, "every weekday at 9 post hello to Slack")
    heard = await alice.say(session, "never mind")
    assert heard.end["outcome"] == "answered"
    assert heard.end["workflow"] is None
    assert heard.said


async def test_an_edit_is_a_small_patch_on_the_same_workflow(
    alice: Client, engine: FakeEngine
) -> None:
    session = await alice.new_session()
    made = await alice.say(session, "every weekday at 9 fetch https://api.example.com/news")
    heard = await alice.say(session, "make it 10:30")
    assert heard.one("workflow.patch")["patch"] == [
        {"op": "replace", "path": "/nodes/0/parameters/rules/0/at", "value": "10:30"}
    ]
    assert heard.end["workflow"]["id"] == made.end["workflow"]["id"]
    assert heard.one("workflow.saved") == {
        "turn_id": heard.end["turn_id"],
        "workflow_id": made.end["workflow"]["id"],
        "name": made.end["workflow"]["name"],
        "version": 2,
        "created": False,
    }


async def test_a_session_can_begin_with_an_existing_workflow_or_a_copy_of_it(
    alice: Client,
) -> None:
    made = await alice.say(await alice.new_session(), ORDERS)
    workflow_id = made.end["workflow"]["id"]
    editing = await alice.new_session(workflow_id, "edit")
    edited = await alice.say(editing, "change the limit to 250")
    assert edited.end["workflow"]["id"] == workflow_id
    copying = await alice.new_session(workflow_id, "copy")
    copied = await alice.say(copying, "rename it to “Large orders”")
    assert copied.end["workflow"]["id"] != workflow_id
    assert copied.end["workflow"]["name"] == "Large orders"
    condition = _nodes(copied.end["workflow"]["definition"])["flow.if"]["parameters"]["conditions"]
    assert condition[0]["right"] == 250


async def test_someone_elses_change_in_between_is_kept(alice: Client, engine: FakeEngine) -> None:
    session = await alice.new_session()
    made = await alice.say(session, "every weekday at 9 fetch https://api.example.com/news")
    stored = engine.workflows["tenant-a"][made.end["workflow"]["id"]]
    changed = {**json.loads(stored.definition.json), "description": "by somebody else"}
    with engine.intercept("UpdateWorkflow") as watched:
        stored.definition.json = json.dumps(changed).encode()
        watched.answers.append(Conflict("It has changed since.", reason="ETAG_MISMATCH"))
        heard = await alice.say(session, "make it 10:30")
    definition = heard.end["workflow"]["definition"]
    assert definition["description"] == "by somebody else"
    assert definition["nodes"][0]["parameters"]["rules"][0]["at"] == "10:30"


async def test_a_workflow_is_explained_in_words(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, ORDERS)
    heard = await alice.say(session, "what does it do?")
    assert heard.stages == ["understand", "explain"]
    assert "http://127.0.0.1:9009/orders" in heard.said
    assert heard.end["outcome"] == "answered"


async def test_chinese_is_answered_in_chinese(alice: Client) -> None:
    heard = await alice.say(
        await alice.new_session(),
        "每个工作日早上九点获取 https://api.example.com/news，总结一下，然后发到 https://hooks.example.com/team",
    )
    types = [node["type"] for node in heard.end["workflow"]["definition"]["nodes"]]
    assert types == ["trigger.schedule", "http.request", "ai.chat", "http.request"]
    assert "已创建" in heard.said


async def test_a_plan_is_shown_first_to_whoever_asks_for_it(alice: Client) -> None:
    session = await alice.new_session()
    first = await alice.say(
        session,
        "First show me the plan. Then build a workflow that fetches https://api.example.com/news "
        "every weekday at 9.",
    )
    assert first.end["outcome"] == "asked"
    assert first.end["workflow"] is None
    assert "plan.proposed" in first.types
    second = await alice.say(session, "yes, go ahead")
    assert second.end["outcome"] == "delivered"


async def test_a_refused_definition_is_mended_and_one_that_cannot_be_is_returned_as_it_is(
    alice: Client, engine: FakeEngine
) -> None:
    refused = workflow_service_pb2.ValidateWorkflowResponse(
        diagnostics=[
            workflow_pb2.Diagnostic(
                pointer="/nodes/0",
                code="something_new",
                severity=workflow_pb2.SEVERITY_ERROR,
                message="It cannot be.",
            )
        ],
        valid=False,
    )
    with engine.intercept("ValidateWorkflow") as watched:
        watched.answers.extend([refused] * 5)
        heard = await alice.say(await alice.new_session(), ORDERS)
    assert "repair.started" in heard.types
    assert heard.end["outcome"] == "delivered"
    assert "It cannot be." in heard.said


async def test_an_engine_that_is_away_is_an_error_event_and_the_session_goes_on(
    alice: Client, engine: FakeEngine
) -> None:
    session = await alice.new_session()
    with engine.intercept("CreateWorkflow") as watched:
        watched.answers.append(Unavailable("The engine is away."))
        heard = await alice.say(session, ORDERS)
    assert heard.one("error")["retryable"] is True
    assert heard.end["outcome"] == "failed"
    again = await alice.say(session, "try again")
    assert again.end["outcome"] == "delivered"


async def test_the_same_key_says_the_same_thing_once(alice: Client) -> None:
    session = await alice.new_session()
    first = await alice.say(session, ORDERS, key="k-1")
    again = await alice.say(session, ORDERS, key="k-1")
    assert again.sequences == first.sequences
    assert again.end == first.end


async def test_saying_nothing_is_refused(alice: Client) -> None:
    session = await alice.new_session()
    with pytest.raises(InvalidInput):
        await alice.say(session, "  ")
    with pytest.raises(InvalidInput):
        await alice.say(session, "", {"x": [1, 2]})

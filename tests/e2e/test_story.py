"""The story the project is for: a sentence becomes an automation that runs."""

import asyncio
import json
from typing import Any

import httpx2

SENTENCE = (
    "When a webhook arrives with an order, if the amount is over 100 ask me for approval, "
    "and reply with the order"
)


async def say(client: httpx2.AsyncClient, session_id: str, **body: Any) -> list[dict[str, Any]]:
    """Say something; every event of the turn, each with its type and sequence."""
    events: list[dict[str, Any]] = []
    path = f"/v1/sessions/{session_id}/messages"
    headers = {"accept": "text/event-stream"}
    async with client.sse(path, method="POST", json=body, headers=headers) as source:
        assert source.response.status_code == 200, await source.response.aread()
        async for event in source:
            if event.data:
                said = json.loads(event.data)
                assert (said["type"], said["sequence"]) == (event.event, int(event.id))
                events.append({"type": event.event, "sequence": int(event.id), **said["data"]})
    return events


async def new_session(client: httpx2.AsyncClient, **body: Any) -> str:
    created = await client.post("/v1/sessions", json={"mode": "create", **body})
    assert created.status_code == 201, created.text
    return created.json()["id"]


async def approve(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while not (
            pending := (await client.get("/v1/approvals?status=pending")).json()["approvals"]
        ):
            await asyncio.sleep(0.05)
    answered = await client.post(
        f"/v1/approvals/{pending[0]['id']}:answer", json={"decision": "approve"}
    )
    assert answered.status_code == 200, answered.text


async def test_a_sentence_becomes_an_automation_that_runs(client: httpx2.AsyncClient) -> None:
    events = await say(client, await new_session(client), text=SENTENCE, auto=True)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "turn.started"
    assert kinds[-1] == "turn.completed"
    assert {"plan.proposed", "workflow.draft", "validation.report", "simulation.report"} <= {*kinds}
    workflow = events[-1]["workflow"]
    types = {node["type"] for node in workflow["definition"]["nodes"]}
    assert {"trigger.webhook", "flow.if", "human.approval", "flow.respond"} <= types

    activated = await client.post(f"/v1/workflows/{workflow['id']}:activate", json={})
    assert activated.status_code == 200, activated.text
    [trigger] = (await client.get("/v1/triggers")).json()["triggers"]
    hook = f"/v1/hooks/{trigger['path']}"

    small = await client.post(hook, json={"id": "A-1", "amount": 20})
    assert small.status_code == 200, small.text
    async with asyncio.TaskGroup() as tasks:
        large = tasks.create_task(client.post(hook, json={"id": "A-2", "amount": 250}))
        tasks.create_task(approve(client))
    assert large.result().status_code == 200, large.result().text
    assert "A-2" in large.result().text
    runs = (await client.get("/v1/runs")).json()["runs"]
    assert [run["status"] for run in runs] == ["completed", "completed"]


async def test_a_workflow_is_changed_by_a_sentence_and_only_where_asked(
    client: httpx2.AsyncClient,
) -> None:
    first = await say(
        client,
        await new_session(client),
        text="Every weekday at 9 call https://example.com/report",
        auto=True,
    )
    before = first[-1]["workflow"]
    session_id = await new_session(client, mode="edit", workflow_id=before["id"])
    second = await say(client, session_id, text="make it 10:30", auto=True)
    after = second[-1]["workflow"]
    assert after["id"] == before["id"]
    assert after["latest_version"] == before["latest_version"] + 1
    changed = [
        new["type"]
        for old, new in zip(
            before["definition"]["nodes"], after["definition"]["nodes"], strict=True
        )
        if old != new
    ]
    assert changed == ["trigger.schedule"]
    assert "10:30" in json.dumps(after["definition"]) or "30 10" in json.dumps(after["definition"])


async def test_what_cannot_be_done_is_named(client: httpx2.AsyncClient) -> None:
    events = await say(
        client,
        await new_session(client),
        text="Every morning at 8 post the weather into our Mattermost channel",
    )
    asked = [event for event in events if event["type"] in ("gap.found", "question.asked")]
    assert asked
    assert events[-1]["outcome"] == "asked"


async def test_a_finished_turn_is_one_json_answer_when_asked_for(
    client: httpx2.AsyncClient,
) -> None:
    session_id = await new_session(client)
    answer = await client.post(
        f"/v1/sessions/{session_id}/messages",
        json={"text": "Every hour call https://example.com/ping", "auto": True},
        headers={"accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    messages = (await client.get(f"/v1/sessions/{session_id}/messages")).json()["messages"]
    assert messages[0]["author"] == "user"
    assert messages[-1]["author"] == "consultant"

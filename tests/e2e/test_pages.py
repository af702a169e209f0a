"""Pages through the whole mesh: a form, a chat, a link; and approvals wherever a run asks."""

import asyncio
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import httpx2

from engine_service.asking.links import Links
from engine_service.store.approvals import StoredApproval
from shared.clock import SystemClock
from tests.support.mesh import Mesh

HTML = {"accept": "text/html", "content-type": "application/x-www-form-urlencoded"}


async def activate(client: httpx2.AsyncClient, *nodes: dict[str, Any], loop: bool = False) -> str:
    """A live workflow of nodes in a line; its id."""
    wires = [{"from": one["id"], "to": two["id"]} for one, two in pairwise(nodes)]
    if loop:
        wires[-1]["port"] = "loop"
        wires.append({"from": nodes[-1]["id"], "to": nodes[-2]["id"], "port": "approved"})
    definition = {"name": "Pages", "nodes": list(nodes), "connections": wires}
    made = await client.post("/v1/workflows", json={"definition": definition})
    assert made.status_code == 201, made.text
    workflow = made.json()["id"]
    live = await client.post(f"/v1/workflows/{workflow}:activate", json={})
    assert live.is_success, live.text
    return workflow


def node(kind: str, name: str, **parameters: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "type": kind, "parameters": parameters}


async def path_of(client: httpx2.AsyncClient, workflow: str) -> str:
    listed = await client.get("/v1/triggers", params={"workflow_id": workflow})
    [trigger] = listed.json()["triggers"]
    return trigger["path"]


def set_text(text: str) -> dict[str, Any]:
    return node("data.set", "set", assignments=[{"name": "text", "value": text}])


async def test_a_form_is_shown_filled_in_and_runs_once(
    client: httpx2.AsyncClient, mesh: Mesh
) -> None:
    fields = [{"name": "who", "title": "<b>Who?"}, {"name": "age", "type": "number"}]
    form = node("trigger.form", "start", path="hello", title="Hello & welcome", fields=fields)
    workflow = await activate(client, form, set_text("Hello {{ $json.who }}"))
    path = await path_of(client, workflow)
    async with httpx2.AsyncClient(base_url=mesh.url, headers=HTML) as visitor:
        shown = await visitor.get(f"/v1/forms/{path}")
        assert "Hello &amp; welcome" in shown.text
        assert "&lt;b&gt;Who?" in shown.text
        submission = re.findall(r'name="submission" value="([^"]+)"', shown.text)[0]
        wrong = {"submission": submission, "field.who": "Ada", "field.age": "old"}
        again = await visitor.post(f"/v1/forms/{path}", content=urlencode(wrong))
        assert again.status_code == 422
        assert 'value="Ada"' in again.text
        assert submission in again.text
        right = urlencode({**wrong, "field.age": "36"})
        answers = await asyncio.gather(
            *(visitor.post(f"/v1/forms/{path}", content=right) for _ in range(3))
        )
        assert {one.status_code for one in answers} == {200}
        assert all("Thank you" in one.text for one in answers)
        assert (await visitor.get(f"/v1/forms/{path}x")).status_code == 404
        for other in (f"/v1/hooks/{path}", f"/v1/hooks/form:{path}", f"/v1/chats/{path}"):
            assert (await visitor.post(other, content=right)).status_code in (404, 415)
    runs = (await client.get("/v1/runs", params={"workflow_id": workflow})).json()["runs"]
    assert len(runs) == 1


async def test_a_chat_answers_in_json_and_in_events(client: httpx2.AsyncClient, mesh: Mesh) -> None:
    chat = node("trigger.chat", "start", path="help", auth="basic", secret="me:it")
    workflow = await activate(client, chat, set_text("You said {{ $json.message }}"))
    url = f"{mesh.url}/v1/chats/{await path_of(client, workflow)}"
    said = {"message": "hi\n\nthere", "session_id": "session-1"}
    async with httpx2.AsyncClient() as stranger:
        assert (await stranger.get(url)).headers["www-authenticate"].startswith("Basic")
        assert (await stranger.post(url, json=said)).status_code == 401
    async with httpx2.AsyncClient(auth=("me", "it")) as visitor:
        page = await visitor.get(url)
        assert "script-src 'sha256-" in page.headers["content-security-policy"]
        answer = await visitor.post(url, json=said)
        assert answer.json() == {"reply": "You said hi\n\nthere"}
        told = await visitor.post(url, json=said, headers={"accept": "text/event-stream"})
        events = [line for line in told.text.splitlines() if line.startswith(("event", "data"))]
        assert events == ["event: reply", 'data: {"reply":"You said hi\\n\\nthere"}']
        assert (await visitor.post(url, json={"message": ""})).status_code == 422


async def pending(client: httpx2.AsyncClient, run_id: str, count: int = 1) -> list[Any]:
    """What a run asks, once it asks so much."""
    async with asyncio.timeout(30):
        while True:
            query = {"status": "pending", "run_id": run_id}
            found = (await client.get("/v1/approvals", params=query)).json()["approvals"]
            if len(found) == count:
                return found
            await asyncio.sleep(0.05)


async def started(client: httpx2.AsyncClient, workflow: str, given: Any) -> str:
    answer = await client.post(f"/v1/workflows/{workflow}:run", json={"input": given})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            run = (await client.get(f"/v1/runs/{run_id}")).json()
            if run.get("end_time"):  # an engine that is away answers with a problem
                return run
            await asyncio.sleep(0.05)


async def test_a_link_answers_a_form_in_the_middle_of_a_run(
    client: httpx2.AsyncClient, mesh: Mesh
) -> None:
    asking = node(
        "human.form",
        "ask",
        title="Budget for {{ $json.what }}",
        approvers=["lead@example.com"],
        fields=[{"name": "budget", "type": "number"}],
    )
    workflow = await activate(client, node("trigger.manual", "start"), asking)
    run_id = await started(client, workflow, {"what": "<i>tea"})
    [asked] = await pending(client, run_id)
    link = link_to(mesh, await tenant_of(client), asked)
    async with httpx2.AsyncClient(base_url=mesh.url, headers=HTML) as person:
        shown = await person.get(link)
        assert "Budget for &lt;i&gt;tea" in shown.text
        assert (await person.get(link)).status_code == 200
        [ticket] = re.findall(r'name="ticket" value="([^"]+)"', shown.text)
        filled = {"ticket": ticket, "decision": "submit", "field.budget": "much"}
        refused = await person.post(link, content=urlencode(filled))
        assert refused.status_code == 422
        filled["field.budget"] = "12"
        answers = await asyncio.gather(
            *(person.post(link, content=urlencode(filled)) for _ in range(4))
        )
        assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
        assert "already" in (await person.get(link)).text
    run = await ended(client, run_id)
    assert run["output"][0]["json"]["form"]["values"] == {"budget": 12}
    assert run["output"][0]["json"]["form"]["answered_by"] == "lead@example.com"


async def tenant_of(client: httpx2.AsyncClient) -> str:
    webhook = node("trigger.webhook", "start", path="whose")
    return (await path_of(client, await activate(client, webhook))).partition("/")[0]


def link_to(mesh: Mesh, tenant: str, asked: dict[str, Any]) -> str:
    """The link that a message would hold."""
    stored = StoredApproval(
        *(asked["id"], tenant, "", "", "", "", "", "", (), None, "pending", "", "", None),
        created_at=datetime.now(UTC),
        answered_at=None,
        expires_at=None,
    )
    links = Links(mesh.mesh_secret, "", SystemClock())
    return links.url(stored, "lead@example.com")


async def test_every_turn_of_a_loop_asks_for_itself(client: httpx2.AsyncClient) -> None:
    workflow = await activate(
        client,
        node("trigger.manual", "start"),
        node("flow.loop", "loop", batch_size=1),
        node("human.approval", "ask", title="Turn {{ $json.n }}?"),
        loop=True,
    )
    run_id = await started(client, workflow, [{"n": 1}, {"n": 2}])
    seen: list[str] = []
    for _ in range(2):
        [asked] = await pending(client, run_id)
        seen.append(asked["title"])
        answer = await client.post(
            f"/v1/approvals/{asked['id']}:answer", json={"decision": "approve"}
        )
        assert answer.status_code == 200, answer.text
        twice = await client.post(
            f"/v1/approvals/{asked['id']}:answer", json={"decision": "reject"}
        )
        assert twice.status_code == 409
    run = await ended(client, run_id)
    assert seen == ["Turn 1?", "Turn 2?"]
    assert run["status"] == "completed"
    assert run["output"][0]["json"]["n"] == 2


async def test_an_answer_is_not_lost_with_the_engine_that_took_it(
    client: httpx2.AsyncClient, mesh: Mesh
) -> None:
    workflow = await activate(
        client,
        node("trigger.manual", "start"),
        node("human.approval", "ask", title="Go on?"),
    )
    run_ids = [await started(client, workflow, {"n": n}) for n in range(3)]
    asked = [(await pending(client, run_id))[0] for run_id in run_ids]
    answers = await asyncio.gather(
        *(
            client.post(f"/v1/approvals/{one['id']}:answer", json={"decision": "approve"})
            for one in asked
        )
    )
    assert {one.status_code for one in answers} == {200}
    [engine, *_] = mesh.engines
    await engine.kill()
    await engine.start()
    await engine.ready()
    for run_id in run_ids:
        run = await ended(client, run_id)
        assert run["status"] == "completed"
        assert run["output"][0]["json"]["approval"]["decision"] == "approve"

"""A secret in a definition leaves the house with the request it is meant for, and no other way."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.support.mesh import Mesh, definition

SECRET = "hunter2-tells-nobody"
HIDDEN = "[hidden]"


def calling(node_id: str, **parameters: Any) -> dict[str, Any]:
    url = "http://127.0.0.1:9/"  # an inner address, which is refused
    return {"id": node_id, "type": "http.request", "parameters": {"url": url, **parameters}}


NODES: list[dict[str, Any]] = [
    {
        "id": "hook",
        "type": "trigger.webhook",
        "parameters": {"path": "secrets", "auth": "header", "secret": SECRET},
    },
    calling("bearer", auth={"kind": "bearer", "token": SECRET}),
    calling(
        "basic",
        auth={"kind": "basic", "username": "ada", "password": SECRET},
    ),
    calling("header", auth={"kind": "header", "value": SECRET}),
    calling(
        "headers",
        headers={"Authorization": f"Bearer {SECRET}"},
        query={"access_token": SECRET},
    ),
    # What cannot be sent is a failure with a message, which must not quote it.
    calling("broken", auth={"kind": "header", "value": f"{SECRET}\n"}),
]
CONTINUE = {"on_error": "continue"}
SECRETIVE = definition(
    [NODES[0], *({**node, "settings": CONTINUE} for node in NODES[1:])],
    *(f"hook > {node['id']}" for node in NODES[1:]),
    name="Secretive",
)


async def test_a_secret_is_in_no_answer_no_event_and_no_log(
    mesh: Mesh, client: httpx2.AsyncClient
) -> None:
    answers: list[httpx2.Response] = []

    async def ask(method: str, path: str, **options: Any) -> httpx2.Response:
        answer = await client.request(method, path, **options)
        assert answer.is_success, answer.text
        answers.append(answer)
        return answer

    created = (await ask("POST", "/v1/workflows", json={"definition": SECRETIVE})).json()
    workflow = f"/v1/workflows/{created['id']}"
    read = (await ask("GET", workflow)).json()["definition"]
    assert json.dumps(read).count(HIDDEN) == len(NODES) + 1
    await ask("PATCH", workflow, json={"definition": {"name": "Still secretive"}})
    await ask("POST", f"{workflow}:activate", json={})
    await ask("GET", "/v1/triggers")
    for path in ("versions", "versions/1", "versions/2:diff", "versions/1:diff"):
        await ask("GET", f"{workflow}/{path}")
    for verb in ("validate", "simulate"):
        await ask("POST", f"{workflow}:{verb}", json={})
    trial = await ask("POST", "/v1/workflows:simulate", json={"definition": SECRETIVE})
    assert len(trial.json()["effects"]) == len(NODES) - 1
    run = (await ask("POST", f"{workflow}:run", params={"wait": "20s"}, json={})).json()
    assert run["status"] == "completed", run
    await ask("GET", f"/v1/runs/{run['id']}", params={"view": "full"})
    await ask("GET", "/v1/runs")
    await ask("GET", f"/v1/runs/{run['id']}/events")
    answered = await client.post(
        f"/v1/hooks/{(await ask('GET', '/v1/triggers')).json()['triggers'][0]['path']}",
        headers={"x-webhook-secret": SECRET},
        json={},
    )
    assert answered.is_success, "the secret that was read as hidden and sent back still holds"
    told = [answer.request.url.path for answer in answers if SECRET in answer.text]
    assert told == []
    logs: list[Path] = [mesh.gateway.log, mesh.agent.log, *(one.log for one in mesh.engines)]
    assert [log.name for log in logs if SECRET in log.read_text(errors="replace")] == []

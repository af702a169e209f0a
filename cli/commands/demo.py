"""`flowloom demo`: the whole road, by itself: a sentence, a workflow, a real run, a summary.

It starts a mesh and a small HTTP endpoint of its own, says the sentence, turns the workflow on,
calls its webhook with an order, answers the approval that the run asks for, and shows what
happened. What it made stays in the state directory: `flowloom up` finds it again.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import typer

from cli.access import state_directory
from cli.commands.chat import converse
from cli.drawing import Json, console, run_table, short, workflow_tree
from cli.embedded.ports import is_free
from cli.embedded.state import StateDirectory
from cli.exits import Exit, Failure
from cli.live import watch
from cli.rest import Event, Rest

_ORDER = {"id": "A-17", "customer": "Ada", "amount": 250}
_START_SECONDS = 90
_STOP_SECONDS = 40
_HOOK_SECONDS = 60
_LOOK_EVERY_SECONDS = 0.05
_PORT = 8000


def demo() -> None:
    """Say a sentence, run what comes of it with real input, show it all; ends by itself."""
    with _endpoint() as endpoint, _mesh(endpoint.host) as (url, kept):
        os.environ["FLOWLOOM_URL"] = url
        os.environ.pop("FLOWLOOM_TOKEN", None)  # another mesh's
        rest = Rest(url)
        sentence = (
            "When a webhook arrives with an order, if the amount is over 100 ask me for approval, "
            f"then POST the order to http://{endpoint.host}/orders and reply with the result"
        )
        _say("1. A sentence", sentence)
        workflow = _consult(rest, sentence)
        _say("2. The workflow is turned on, and its webhook is called with an order", short(_ORDER))
        hook, run_id, reply = _run(rest, workflow)
        run = rest.get(f"/v1/runs/{run_id}", view="full")
        _summarise(sentence, workflow, run)
        typer.echo(f"The endpoint received {short(endpoint.received)}.")
        typer.echo(f"The webhook's caller was answered {reply.status_code}: {reply.text}")
        _say_where_to_look(workflow, run, hook, kept)
        rest.close()
    if run["status"] != "completed" or endpoint.received != [_ORDER] or not reply.is_success:
        raise Failure(Exit.FAILED, "The demo did not end as it should; see above.")


@dataclass(slots=True)
class _Endpoint:
    """A local HTTP endpoint and the JSON bodies that it received."""

    host: str = ""
    received: list[Json] = field(default_factory=list[Json])


@contextmanager
def _endpoint() -> Generator[_Endpoint]:
    endpoint = _Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            endpoint.received.append(json.loads(body))
            answer = json.dumps({"accepted": True, "number": len(endpoint.received)}).encode()
            self.send_response(201)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its parameter's name)
            """Say nothing: the demo shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.host = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _mesh(allowed_host: str) -> Generator[tuple[str, bool]]:
    """A mesh that may call the endpoint: its URL, and whether its state is kept.

    It is not, and lives in a directory of its own, if another mesh runs here already.
    """
    with tempfile.TemporaryDirectory(prefix="flowloom-demo-", ignore_cleanup_errors=True) as made:
        state = state_directory()
        kept = not state.is_held()
        if not kept:
            state = StateDirectory(Path(made))
        os.environ["FLOWLOOM_STATE_DIR"] = str(state.path)
        port = _PORT if is_free(_PORT) else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "ENGINE_ALLOWED_HOSTS": allowed_host},
            start_new_session=True,
        )
        try:
            yield _ready(process, state), kept
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)


def _ready(process: subprocess.Popen[bytes], state: StateDirectory) -> str:
    console.print("Starting the mesh …", style="dim")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        mesh = state.find_mesh()
        # What a killed mesh left there is not ours to remove: `up` ends its processes first.
        if mesh is not None and mesh.pid == process.pid and mesh.state == "ready":
            return mesh.gateway_url
        if process.poll() is not None:
            raise Failure(Exit.FAILED, "The mesh did not start; `flowloom doctor` may say why.")
        time.sleep(_LOOK_EVERY_SECONDS)
    raise Failure(Exit.FAILED, f"The mesh was not ready after {_START_SECONDS} seconds.")


def _consult(rest: Rest, sentence: str) -> Json:
    """Say the sentence; the workflow that came of it."""
    session = rest.post("/v1/sessions", {"mode": "create"})
    completed = converse(rest, session["id"], sentence, auto=True)
    workflow: Json | None = completed.get("workflow")
    if workflow is None:
        raise Failure(Exit.FAILED, "The consultant delivered no workflow.")
    return workflow


def _run(rest: Rest, workflow: Json) -> tuple[str, str, httpx2.Response]:
    """Activate, call the webhook, approve, watch; the hook's URL, the run's id, the reply."""
    rest.post(f"/v1/workflows/{workflow['id']}:activate")
    [trigger] = rest.get("/v1/triggers", workflow_id=workflow["id"])["triggers"]
    hook = f"{rest.url}/v1/hooks/{trigger['path']}"
    with ThreadPoolExecutor(1) as caller:
        reply = caller.submit(httpx2.post, hook, json=_ORDER, timeout=_HOOK_SECONDS)
        run_id = _first_run(rest, workflow["id"])
        watch(_approving(rest, run_id, rest.events(f"/v1/runs/{run_id}/events")))
        answered = reply.result()
    # Its endpoint ends with the demo, and the next demo wants the same path.
    rest.post(f"/v1/workflows/{workflow['id']}:deactivate")
    return hook, run_id, answered


def _first_run(rest: Rest, workflow_id: str) -> str:
    deadline = time.monotonic() + _HOOK_SECONDS
    while time.monotonic() < deadline:
        if found := rest.get("/v1/runs", workflow_id=workflow_id)["runs"]:
            return str(found[0]["id"])
        time.sleep(_LOOK_EVERY_SECONDS)
    raise Failure(Exit.FAILED, "The webhook started no run.")


def _approving(rest: Rest, run_id: str, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a run, whose questions are answered with yes as they come."""
    for event in events:
        yield event
        if event.type == "node.waiting":
            for approval in rest.get("/v1/approvals", status="pending", run_id=run_id)["approvals"]:
                console.print(f"  the run asks: {approval['title']}; answering yes", style="yellow")
                rest.post(f"/v1/approvals/{approval['id']}:answer", {"decision": "approve"})


def _summarise(sentence: str, workflow: Json, run: Json) -> None:
    _say("3. Summary", sentence)
    console.print(workflow_tree(workflow["definition"]))
    console.print(run_table(run, title=f"{run['id']}: {run['status']}"))


def _say_where_to_look(workflow: Json, run: Json, hook: str, kept: bool) -> None:
    """Say how to come back to what was made, or that it is gone."""
    console.print()
    if not kept:
        typer.echo(
            "Another mesh runs here, so all of this happened in a temporary directory, which is "
            "gone now. End that mesh and run the demo again to keep what it makes."
        )
        return
    program = sys.argv[0] if "/" in sys.argv[0] else "flowloom"
    path = urlsplit(hook).path
    typer.echo("All of this is kept. Bring it back, and look further from another terminal:")
    for command in (
        f"{program} up",
        f"{program} workflows show {workflow['id']}",
        f"{program} runs show {run['id']}",
        f'eval "$({program} token --shell)"      # $GATEWAY, and $AUTH for curl',
        f'curl -H "$AUTH" "$GATEWAY/v1/runs/{run["id"]}?view=full"',
        f'curl -N -H "$AUTH" "$GATEWAY/v1/runs/{run["id"]}/events"',
        f"{program} workflows activate {workflow['id']}      # its webhook was turned off again",
        f"curl --json '{json.dumps(_ORDER)}' \"$GATEWAY{path}\"",
    ):
        typer.echo(f"  {command}")


def _say(heading: str, text: str) -> None:
    console.print()
    console.print(f"── {heading} ──", style="bold", markup=False)
    typer.echo(text)

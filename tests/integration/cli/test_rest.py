"""How commands follow a history over HTTP whose other side restarts, refuses, or goes away."""

import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli.exits import Exit, Failure
from cli.rest import Rest

Answer = tuple[int, str, bytes]
STREAM = "text/event-stream"


def event(sequence: int, type_: str = "node.completed") -> bytes:
    said: dict[str, object] = {"sequence": sequence, "type": type_, "data": {}}
    return f"id: {sequence}\nevent: {type_}\ndata: {json.dumps(said)}\n\n".encode()


def follow(rest: Rest) -> object:
    return list(rest.events("/x"))


def read(rest: Rest) -> object:
    return rest.get("/x")


@contextmanager
def answering(answers: Sequence[Answer]) -> Generator[tuple[str, list[str]]]:
    """A server that gives these answers one after another; its URL, and what it was asked."""
    left, asked = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['authorization']}")
            status, kind, body = left.pop(0)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its parameter's name)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWLOOM_TOKEN", "mine")
    monkeypatch.setattr("cli.rest._PAUSE_SECONDS", 0.001)


def test_a_stream_that_ends_early_is_taken_up_where_it_was() -> None:
    away = json.dumps({"detail": "The engine is away."}).encode()
    answers = [
        (200, STREAM, event(1) + event(2)),
        (503, "application/problem+json", away),
        (200, STREAM, b"retry: 5000\n\n"),
        (200, STREAM, event(3, "run.completed")),
        (204, STREAM, b""),
    ]
    with answering(answers) as (url, asked):
        seen = [one.sequence for one in Rest(url).events("/events")]
    assert seen == [1, 2, 3]
    assert asked == [f"/events?after={after} Bearer mine" for after in (0, 2, 2, 2, 3)]


@pytest.mark.parametrize("look", [follow, read])
def test_a_mesh_that_is_gone_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[Rest], object]
) -> None:
    with answering([]) as (url, _):
        pass
    monkeypatch.setenv("FLOWLOOM_URL", url)
    with pytest.raises(Failure, match="No mesh answers") as failure:
        look(Rest(url))
    assert failure.value.exit is Exit.UNREACHABLE


@pytest.mark.parametrize("look", [follow, read])
def test_something_else_than_a_mesh_is_said_to_be(look: Callable[[Rest], object]) -> None:
    with (
        answering([(200, "text/html", b"<p>Welcome")]) as (url, _),
        pytest.raises(Failure, match="no Flowloom mesh") as failure,
    ):
        look(Rest(url))
    assert failure.value.exit is Exit.UNREACHABLE

"""A model vendor on this machine: an HTTP server that answers by script, in any vendor's wire.

Tests queue answers (`server.script`), point a provider's base URL at the server, and look at what
was asked (`server.asked`). Bytes go out in whatever pieces a test likes; an answer may also fail,
hang up in the middle, or fall silent until the client leaves.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from shared.llm import Delta, Done, Reply
from tests.support.llm_wires import Said, render


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that arrived."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, and how.

    Attributes:
        pieces: Sizes in which the body is sent, repeated for ever; empty means at once.
        hang_up_after: Break the connection after so many bytes.
        silent_after: Send nothing more after so many bytes, until the client leaves.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[int] = ()
    hang_up_after: int | None = None
    silent_after: int | None = None


Script = Callable[[Asked], Answer]


def say(
    text: str = "",
    *,
    calls: Sequence[tuple[str, str, str]] = (),
    finish: str = "",
    refusal: str = "",
    tokens: tuple[int, int] = (11, 7),
) -> Script:
    """The model says this; `calls` are (id, name, arguments)."""
    said = Said(text, tuple(calls), finish or ("tool_calls" if calls else "stop"), refusal, tokens)
    return lambda asked: Answer(*render(asked.path, asked.body, said))


def recorded(body: bytes, pieces: Sequence[int] = ()) -> Script:
    """A recorded event stream, as it is."""
    answer = Answer(body, headers={"content-type": "text/event-stream"}, pieces=pieces)
    return lambda _: answer


def fail(status: int, code: str = "", message: str = "no", **headers: str) -> Script:
    """An error; header names are written with underscores here."""
    error = {"type": code or "error", "code": code or None, "message": message}
    body = json.dumps({"type": "error", "error": error}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(body, status, {"content-type": "application/json", **named})


def sent(script: Script, **how: Any) -> Script:
    """The same answer, sent in another way."""
    return lambda asked: replace(script(asked), **how)


def reply_in(deltas: Sequence[Delta]) -> Reply:
    """The reply at the end of a stream, where it must be."""
    assert isinstance(deltas[-1], Done), deltas[-1]
    return deltas[-1].reply


class LlmServer:
    """The server. Leaving its block fails if an answer was not asked for, or one was missing."""

    def __init__(self) -> None:
        self.script: deque[Script] = deque()
        self.asked: list[Asked] = []
        self.was_asked = asyncio.Event()
        self.client_left = asyncio.Event()
        self._unscripted: list[Asked] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()
        if kind is None:
            assert not self._unscripted, f"no answer was scripted for {self._unscripted}"
            assert not self.script, f"{len(self.script)} answers were never asked for"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            self.was_asked.set()
            if not self.script:
                self._unscripted.append(asked)
                self.script.append(fail(400, message="nothing was scripted"))
            await self._send(self.script.popleft()(asked), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.client_left.set()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _send(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        headers = {"connection": "close", "transfer-encoding": "chunked", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        end = min(
            len(answer.body) if limit is None else limit
            for limit in (answer.hang_up_after, answer.silent_after)
        )
        for piece in _cut(answer.body[:end], answer.pieces):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if answer.silent_after is not None:
            await reader.read()
            self.client_left.set()
        elif answer.hang_up_after is not None:
            # Closing gracefully, but without the chunk that says that the body is whole.
            return
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


def _cut(body: bytes, pieces: Sequence[int]) -> Iterator[bytes]:
    sizes: Iterable[int] = itertools.cycle(pieces) if pieces else [len(body)]
    start = 0
    for size in sizes:
        if start >= len(body):
            return
        yield body[start : start + size]
        start += size


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split(" ")[1], headers, json.loads(body) if body else {})

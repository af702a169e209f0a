"""A closed loop of HTTP requests: so many in flight, each connection sends the next when answered.

Its own small client on asyncio protocols and httptools, because it shares the two cores with what
it measures: a general HTTP client would cost more than the server.
"""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a round. Times are seconds."""

    requests: int
    seconds: float
    times: list[float]
    statuses: dict[int, int]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The time that this share of requests did not pass, in seconds."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class _Round:
    remaining: int
    times: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])


class _Connection(asyncio.Protocol):
    """One keep-alive connection; sends, waits, sends again, until the round is over."""

    def __init__(self, payload: bytes, load: _Round) -> None:
        self._payload = payload
        self._round = load
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._round.times.append(time.perf_counter() - self._sent_at)
        self._round.statuses[status] = self._round.statuses.get(status, 0) + 1
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("closed before the round was over"))

    def _send(self) -> None:
        assert self._transport is not None
        if self._round.remaining == 0:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._round.remaining -= 1
        self._sent_at = time.perf_counter()
        self._transport.write(self._payload)


async def send(
    url: str,
    *,
    requests: int,
    in_flight: int,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Load:
    """Send `requests` equal requests to `url`, `in_flight` at a time.

    Raises:
        OSError: The server refused or dropped a connection.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    payload = "\r\n".join([*lines, "", ""]).encode() + body
    load = _Round(requests)
    loop = asyncio.get_running_loop()
    begun_at = time.perf_counter()
    connections = await asyncio.gather(
        *(
            loop.create_connection(
                lambda: _Connection(payload, load), parts.hostname, parts.port or 80
            )
            for _ in range(in_flight)
        )
    )
    await asyncio.gather(*(connection.done for _, connection in connections))
    return Load(len(load.times), time.perf_counter() - begun_at, load.times, load.statuses)

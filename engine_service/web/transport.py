"""One request and its answer, over a pooled HTTP/1.1 connection to an address that was checked.

aiohttp does the talking: it needs a quarter of the time of its peers, and requests are what an
engine spends most on (ADR 20). What goes wrong is told as a `NodeError`; whether the request can
have had its effect is known from whether it left this machine.
"""

import io
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from engine_service.sdk.node import BodyStream, Failed, HttpRequest, HttpResponse, NodeError
from engine_service.web.addresses import Guard, Target
from engine_service.web.decoding import BadEncoding, Decoder, decoder_for
from engine_service.web.traced import exchanged
from shared.tracing import spans

USER_AGENT = "Flowloom/0.1"
CONNECT_SECONDS = 10.0
_LARGE_BODY = 1 << 20
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_TEXT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLAIN_IN_PATH = "/?%:@!$&'()*+,;=-._~[]"
# The connection is ours to manage, whatever an author writes.
_OWN_HEADERS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade",
    "proxy-connection", "proxy-authorization", "te", "trailer", "expect", "accept-encoding",
})  # fmt: skip
_UNASKED_HEADERS = ("Accept", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client takes in, and how many connections it keeps."""

    response_bytes: int = 10 * 1024 * 1024
    connections: int = 200
    idle_seconds: float = 15.0


class Progress:
    """How far a request got: whether any of it left this machine."""

    def __init__(self) -> None:
        self.sent = False


class Transport:
    """Keeps the connections. Close it when done."""

    def __init__(self, guard: Guard, limits: Limits, tls: ssl.SSLContext) -> None:
        self._guard = guard
        self._limits = limits
        self._tls = tls
        self._unverified = _unverified()
        self._session: aiohttp.ClientSession | None = None

    async def exchange(
        self, request: HttpRequest, target: Target, progress: Progress
    ) -> HttpResponse:
        """Send one request to where `target` says and take in the answer, whatever its status.

        Raises:
            NodeError: There is none, or none that can be taken.
        """
        if not spans.is_on():
            return await self._exchange(request, target, progress)
        return await exchanged(request, target, lambda one: self._exchange(one, target, progress))

    async def _exchange(
        self, request: HttpRequest, target: Target, progress: Progress
    ) -> HttpResponse:
        self._guard.check_host(target.host, target.port)
        try:
            async with self._connected().request(
                request.method.upper(),
                URL(f"{target.scheme}://{target.authority}{_quoted(target.path)}", encoded=True),
                data=_body(request),
                headers=_headers(request, target),
                skip_auto_headers=_UNASKED_HEADERS,
                allow_redirects=False,
                ssl=self._tls if request.verify_tls else self._unverified,
                timeout=_patience(request),
                trace_request_ctx=progress,
            ) as answer:
                return await self._receive(answer, request, target)
        except aiohttp.ClientSSLError as error:
            message = f"No secure connection to {target.host}: {_said(error)}."
            raise NodeError(Failed("tls_failed", message)) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            message = f"Could not connect to {target.host}: {_said(error)}."
            raise NodeError(Failed("connect_failed", message, retryable=True)) from error
        except aiohttp.InvalidURL as error:  # which quotes the whole URL
            raise NodeError(Failed("bad_request", "The URL is malformed.")) from error
        except (ValueError, TypeError) as error:
            raise NodeError(Failed("bad_request", f"The request is malformed: {error}.")) from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"The connection to {target.host} was lost: {_said(error)}."
            raise NodeError(
                Failed("connection_lost", message, retryable=True, outcome_known=not progress.sent)
            ) from error

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:  # it wants the loop that it will live in
            watching = aiohttp.TraceConfig()
            watching.on_request_headers_sent.append(_leaves)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._limits.connections,
                    resolver=_CheckedResolver(self._guard),
                    use_dns_cache=False,
                    keepalive_timeout=self._limits.idle_seconds,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,  # a proxy would connect for us
                trace_configs=[watching],
            )
        return self._session

    async def _receive(
        self, answer: aiohttp.ClientResponse, request: HttpRequest, target: Target
    ) -> HttpResponse:
        headers = _headers_of(answer.raw_headers)
        limit = self._limits.response_bytes
        declared = headers.get("content-length", "")
        take = request.take if 200 <= answer.status < 300 else None
        too_large = declared.isdigit() and int(declared) > limit and request.method != "HEAD"
        if too_large and take is None:
            raise _too_large(limit)
        try:
            decoder = decoder_for(headers.get("content-encoding", ""))
            if take:
                head = HttpResponse(answer.status, headers, b"", target.url)
                await _hand_on(answer.content, decoder, take(head))
                return head
            body = await _read(answer.content, decoder, limit)
        except BadEncoding as error:
            raise NodeError(Failed("bad_response", str(error))) from error
        return HttpResponse(answer.status, headers, body, target.url)


class _CheckedResolver(AbstractResolver):
    """Gives checked addresses only; TLS and Host keep the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family  # whatever the host has
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._guard.addresses_of(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _leaves(
    session: aiohttp.ClientSession,
    context: Any,
    sent: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    del session, sent
    context.trace_request_ctx.sent = True


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _patience(request: HttpRequest) -> aiohttp.ClientTimeout:
    """How long connecting may take; the caller bounds the whole."""
    return aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_SECONDS, request.timeout))


def _body(request: HttpRequest) -> bytes | io.BytesIO | AsyncIterator[bytes] | None:
    if isinstance(request.body, BodyStream):
        return request.body.begin()
    if request.body is None:
        return b"" if request.method in ("POST", "PUT", "PATCH") else None
    # In one piece, a large body would hold up every other request.
    return request.body if len(request.body) < _LARGE_BODY else io.BytesIO(request.body)


def _headers(request: HttpRequest, target: Target) -> dict[str, str]:
    """What is said about a request.

    Raises:
        ValueError: A header would be read as something else.
    """
    said = {name.lower(): value for name, value in request.headers.items()}
    for name, value in said.items():
        if not _TOKEN.fullmatch(name) or _NO_TEXT.search(value):
            raise ValueError(f"the header {name!r} is none")
    size = request.body.size if isinstance(request.body, BodyStream) else None
    return {
        **({} if size is None else {"content-length": str(size)}),
        "host": target.authority,
        "user-agent": USER_AGENT,
        "accept-encoding": "gzip, deflate",
        **{name: value for name, value in said.items() if name not in _OWN_HEADERS},
    }


def _quoted(path: str) -> str:
    """A path and query as it goes over the wire; what is percent-encoded already stays so."""
    return quote(path, safe=_PLAIN_IN_PATH)


def _headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _read(stream: aiohttp.StreamReader, decoder: Decoder, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for raw in stream.iter_any():
        for chunk in decoder.feed(raw):
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    decoder.finish()
    return b"".join(chunks)


async def _hand_on(
    stream: aiohttp.StreamReader,
    decoder: Decoder,
    taking: AbstractAsyncContextManager[Callable[[bytes], Awaitable[None]]],
) -> None:
    async with taking as send:
        async for raw in stream.iter_any():
            for chunk in decoder.feed(raw):
                await send(chunk)
        decoder.finish()


def _said(error: Exception) -> str:
    """What went wrong, in the words of whoever noticed; not the URL, whose query may be secret."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return str(cause) or "closed"


def _too_large(limit: int) -> NodeError:
    return NodeError(Failed("response_too_large", f"The answer is larger than {limit} bytes."))

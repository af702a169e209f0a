"""Outgoing HTTP: the one way by which nodes reach the world.

A request comes from a node; it passes the guard of `addresses.py`, goes over a pooled HTTP/1.1
connection to the very address that was checked, and an answer of bounded size comes back. What
goes wrong is told as a `NodeError` with a stable code: address_refused, connect_failed,
tls_failed, timeout, connection_lost, response_too_large, too_many_redirects, bad_request,
bad_response, credential_host_refused. Environment variables for proxies are not looked at: a proxy
would connect for us.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote, urljoin

import httpcore2

from engine_service.node import Credential, Failed, HttpRequest, HttpResponse, NodeError
from engine_service.web.addresses import AllowList, Guard, Resolver, Target, read_target, resolve
from engine_service.web.decoding import BadEncoding, Decoder, decoder_for
from engine_service.web.lanes import Lane, Lanes, Place

USER_AGENT = "Flowloom/0.1"
MOST_REDIRECTS = 10
CONNECT_SECONDS = 10.0
_PLAIN_IN_PATH = "/?%:@!$&'()*+,;=-._~[]"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The connection is ours to manage, whatever an author writes.
_OWN_HEADERS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade",
    "proxy-connection", "proxy-authorization", "te", "trailer", "expect", "accept-encoding",
})  # fmt: skip
_SECRET_HEADERS = frozenset({"authorization", "cookie"})
_BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client takes in, and how many connections it keeps."""

    response_bytes: int = 10 * 1024 * 1024
    connections: int = 200
    idle_connections: int = 50
    idle_seconds: float = 15.0


class GuardedHttpClient:
    """Sends requests; implements `node.HttpClient`. Close it when done."""

    def __init__(
        self,
        allowed: AllowList,
        *,
        resolver: Resolver = resolve,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a client.

        Args:
            allowed: Inner places that may be reached.
            resolver: Turns names into addresses.
            limits: Sizes and counts.
            tls: How certificates are verified; the machine's trust store when not given.
        """
        self._limits = limits or Limits()
        self._guard = Guard(allowed, resolver)
        self._backend = _GuardedBackend(self._guard)
        self._tls = tls or ssl.create_default_context()
        self._unverified = _unverified()
        self._lanes = Lanes(self._build, self._limits.connections, self._limits.idle_connections)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request, and follow its redirects if it says so.

        Raises:
            NodeError: With one of the codes named above.
        """
        progress = _Progress()
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(request, progress)
        except TimeoutError as error:
            raise NodeError(
                Failed(
                    "timeout",
                    f"No answer within {request.timeout:g} seconds.",
                    retryable=True,
                    outcome_known=not progress.sent,
                )
            ) from error

    def refusal(self, url: str) -> str:
        """Why a request to a URL would be refused; empty when its spelling gives no reason.

        No name is resolved: what a resolver would add is found out when the request is sent.
        """
        try:
            target = read_target(url)
            self._guard.check_host(target.host, target.port)
        except NodeError as error:
            return error.failure.message
        return ""

    async def close(self) -> None:
        """Close every connection."""
        await self._lanes.close()

    async def _follow(self, request: HttpRequest, progress: "_Progress") -> HttpResponse:
        target = read_target(request.url)
        if request.credential is not None and not _covers(request.credential, target):
            raise NodeError(
                Failed(
                    "credential_host_refused",
                    f"The credential is not meant for {target.scheme}://{target.authority}.",
                )
            )
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._send_signed(request, target, progress)
            location = response.headers.get("location")
            if not (request.follow_redirects and location and response.status in _REDIRECTS):
                return response
            following = read_target(urljoin(target.url, location))
            _keep_secret(request.credential, following)
            request = _redirected(request, response.status, target, following)
            target = following
        raise NodeError(Failed("too_many_redirects", f"More than {MOST_REDIRECTS} redirects."))

    async def _send_signed(
        self, request: HttpRequest, target: Target, progress: "_Progress"
    ) -> HttpResponse:
        """Send a request with its credential on it, where that may be shown.

        What is signed goes over the wire and is forgotten; redirects begin with what was not.
        """
        credential = request.credential
        if credential is None or not _covers(credential, target):
            return await self._send_once(request, target, progress)
        for again in (False, True):
            signed = await credential.sign(replace(request, url=target.url))
            response = await self._send_once(signed, _same_place(signed.url, target), progress)
            # 401 says that nothing was begun, so the request may be sent once more.
            if again or response.status != 401 or not await credential.renew():
                return replace(response, url=target.url)
        raise AssertionError("the second round returns")

    async def _send_once(
        self, request: HttpRequest, target: Target, progress: "_Progress"
    ) -> HttpResponse:
        progress.begin()
        try:
            outgoing = _outgoing(request, target, progress)
            place = (target.scheme, target.host, target.port, request.verify_tls)
            async with self._lanes.to(place) as lane:
                response = await lane.handle_async_request(outgoing)
                try:
                    return await self._receive(response, request, target)
                finally:
                    await response.aclose()
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            raise _not_connected(target, progress, error) from error
        except (httpcore2.NetworkError, httpcore2.RemoteProtocolError) as error:
            raise NodeError(
                Failed(
                    "connection_lost",
                    f"The connection to {target.host} was lost: {error or 'closed'}.",
                    retryable=True,
                    outcome_known=not progress.sent,
                )
            ) from error
        except (httpcore2.LocalProtocolError, TypeError, UnicodeError) as error:
            raise NodeError(Failed("bad_request", f"The request is malformed: {error}.")) from error

    async def _receive(
        self, response: httpcore2.Response, request: HttpRequest, target: Target
    ) -> HttpResponse:
        headers = _headers_of(response.headers)
        limit = self._limits.response_bytes
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit and request.method != "HEAD":
            raise _too_large(limit)
        try:
            decoder = decoder_for(headers.get("content-encoding", ""))
            body = await _read(cast("AsyncIterable[bytes]", response.stream), decoder, limit)
        except BadEncoding as error:
            raise NodeError(Failed("bad_response", str(error))) from error
        return HttpResponse(response.status, headers, body, target.url)

    def _build(self, place: Place) -> Lane:
        *_, verify = place
        return Lane(
            ssl_context=self._tls if verify else self._unverified,
            max_connections=1,
            keepalive_expiry=self._limits.idle_seconds,
            network_backend=self._backend,
        )


def _covers(credential: Credential, target: Target) -> bool:
    return credential.covers(target.scheme, target.host, target.port)


def _same_place(url: str, target: Target) -> Target:
    """Where a signed request goes: its path and query are its own, its place is as before."""
    signed = read_target(url)
    assert signed.origin == target.origin, "a credential changes where a request goes"
    return signed


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only; TLS and Host keep the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        connect = self._network.connect_tcp
        *others, last = await self._guard.addresses_of(host, port)
        for address in others:
            try:
                return await connect(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await connect(last, port, timeout, local_address, socket_options)


class _Progress:
    """How far a request got: whether any of it left this machine, and what was going on."""

    def __init__(self) -> None:
        self.sent = False
        self.step = ""

    def begin(self) -> None:
        self.step = ""

    async def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        self.step = event
        if event == "http11.send_request_headers.started":
            self.sent = True


def _outgoing(request: HttpRequest, target: Target, progress: _Progress) -> httpcore2.Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    wire = [(b"host", target.authority.encode("ascii"))]
    wire.append((b"user-agent", headers.pop("user-agent", USER_AGENT).encode("latin-1")))
    wire.append((b"accept-encoding", b"gzip, deflate"))
    wire.extend(
        (name.encode("ascii"), value.encode("latin-1"))
        for name, value in headers.items()
        if name not in _OWN_HEADERS
    )
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        wire.append((b"content-length", str(len(request.body or b"")).encode("ascii")))
    return httpcore2.Request(
        request.method.upper().encode("ascii"),
        httpcore2.URL(
            scheme=target.scheme.encode("ascii"),
            host=target.host.encode("ascii"),
            port=target.port,
            target=_quoted(target.path),
        ),
        headers=wire,
        content=request.body or b"",
        extensions={
            "trace": progress,
            "timeout": {"connect": min(CONNECT_SECONDS, request.timeout)},
        },
    )


def _quoted(path: str) -> bytes:
    """A path and query as it goes over the wire; what is percent-encoded already stays so."""
    return quote(path, safe=_PLAIN_IN_PATH).encode("ascii")


def _headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _read(stream: AsyncIterable[bytes], decoder: Decoder, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for raw in stream:
        for chunk in decoder.feed(raw):
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    decoder.finish()
    return b"".join(chunks)


def _keep_secret(credential: Credential | None, target: Target) -> None:
    """Refuse a redirect that carries a credential's secret to where it may not be shown.

    Servers that move whole sites repeat the query they were asked with.
    """
    if credential is None or _covers(credential, target):
        return
    if credential.hide(target.url) != target.url:
        message = f"A redirect would show the credential to {target.host}."
        raise NodeError(Failed("credential_host_refused", message))


def _redirected(
    request: HttpRequest, status: int, came_from: Target, target: Target
) -> HttpRequest:
    """The request that a redirect asks for."""
    dropped: set[str] = set()
    method, body = request.method, request.body
    to_get = status == 303 and method not in ("GET", "HEAD")
    if to_get or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        dropped |= _BODY_HEADERS
    if target.origin != came_from.origin:
        dropped |= _SECRET_HEADERS | {name.lower() for name in request.secret_headers}
    headers = {
        name: value for name, value in request.headers.items() if name.lower() not in dropped
    }
    return replace(request, method=method, body=body, headers=headers, url=target.url)


def _not_connected(target: Target, progress: _Progress, error: Exception) -> NodeError:
    if progress.step.startswith("connection.start_tls"):
        return NodeError(Failed("tls_failed", f"No secure connection to {target.host}: {error}."))
    return NodeError(
        Failed("connect_failed", f"Could not connect to {target.host}: {error}.", retryable=True)
    )


def _too_large(limit: int) -> NodeError:
    return NodeError(Failed("response_too_large", f"The answer is larger than {limit} bytes."))

"""The network as vendors' SDKs get it: guarded addresses, and only the hosts of one's credentials.

SDKs bring their own HTTP client (httpx2) and put keys on requests themselves; so what is checked
elsewhere when a request is signed is checked here when a connection is made.
"""

import ssl
from collections.abc import Iterable, Sequence
from typing import cast

import httpcore2
import httpx2

from engine_service.sdk.node import Credential, NodeError
from engine_service.web.addresses import Guard, canonical_host
from engine_service.web.traced import bounded_method, named, place_of, tell_status
from shared.tracing import spans


class SdkTransport(httpx2.AsyncHTTPTransport):
    """Connects to checked addresses of bound hosts; TLS and Host keep the name."""

    def __init__(
        self, guard: Guard, credentials: Sequence[Credential], tls: ssl.SSLContext
    ) -> None:
        super().__init__(trust_env=False)
        self._credentials = credentials
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls, network_backend=_GuardedBackend(guard)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        try:
            host = canonical_host(url.host)
        except NodeError as error:
            raise httpx2.UnsupportedProtocol(str(error)) from error
        port = url.port or (443 if url.scheme == "https" else 80)
        if not any(one.covers(url.scheme, host, port) for one in self._credentials):
            raise httpx2.UnsupportedProtocol(f"The credential is not meant for {host}.")
        method = bounded_method(request.method)
        with spans.span(method, "client", place_of(method, host, port)) as span:
            if spans.is_on():
                request.headers.update(named(span))
            response = await super().handle_async_request(request)
            tell_status(span, response.status_code)
            return response


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only."""

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
        try:
            addresses = await self._guard.addresses_of(host, port)
        except NodeError as error:
            raise httpcore2.ConnectError(str(error)) from error
        connect = self._network.connect_tcp
        return await connect(addresses[0], port, timeout, local_address, socket_options)

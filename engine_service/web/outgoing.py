"""Outgoing HTTP: the one way by which nodes reach the world.

A request comes from a node; it passes the guard of `addresses.py`, goes over `transport.py` to the
very address that was checked, and an answer of bounded size comes back. What goes wrong is told as
a `NodeError` with a stable code: address_refused, connect_failed, tls_failed, timeout,
connection_lost, response_too_large, too_many_redirects, bad_request, bad_response,
credential_host_refused.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urljoin

from engine_service.sdk.node import Credential, Failed, HttpRequest, HttpResponse, NodeError
from engine_service.web.addresses import AllowList, Guard, Resolver, Target, read_target, resolve
from engine_service.web.sdk_transport import SdkTransport
from engine_service.web.transport import Limits, Progress, Transport

MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECRET_HEADERS = frozenset({"authorization", "cookie"})
_BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language"})


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
        self._guard = Guard(allowed, resolver)
        self._transport = Transport(
            self._guard, limits or Limits(), tls or ssl.create_default_context()
        )

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request, and follow its redirects if it says so.

        Raises:
            NodeError: With one of the codes named above.
        """
        progress = Progress()
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

    def sdk_transport(self, credentials: Sequence[Credential]) -> SdkTransport:
        """The network for a vendor's SDK that puts credentials on requests itself."""
        return SdkTransport(self._guard, credentials, ssl.create_default_context())

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _follow(self, request: HttpRequest, progress: Progress) -> HttpResponse:
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
        self, request: HttpRequest, target: Target, progress: Progress
    ) -> HttpResponse:
        """Send a request with its credential on it, where that may be shown.

        What is signed goes over the wire and is forgotten; redirects begin with what was not.
        """
        credential = request.credential
        if credential is None or not _covers(credential, target):
            return await self._transport.exchange(request, target, progress)
        for again in (False, True):
            signed = await credential.sign(replace(request, url=target.url))
            place = _same_place(signed.url, target)
            response = await self._transport.exchange(signed, place, progress)
            # 401 says that nothing was begun, so the request may be sent once more.
            if again or response.status != 401 or not await credential.renew():
                return replace(response, url=target.url)
        raise AssertionError("the second round returns")


def _covers(credential: Credential, target: Target) -> bool:
    return credential.covers(target.scheme, target.host, target.port)


def _same_place(url: str, target: Target) -> Target:
    """Where a signed request goes: its path and query are its own, its place is as before."""
    signed = read_target(url)
    assert signed.origin == target.origin, "a credential changes where a request goes"
    return signed


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

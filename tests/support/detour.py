"""The way to vendors in tests: their names lead to fakes on loopback, everything else is real.

Nodes ask for `https://slack.com/api/…`, as ever. Here the request goes through the real client to
the fake that stands for that place, with a credential only if it covers the vendor's own place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from engine_service.sdk.node import Credential, HttpClient, HttpRequest, HttpResponse
from tests.support.vendors.fake import FakeVendor


class Detour:
    """Sends requests for vendors to their fakes; implements `node.HttpClient`."""

    def __init__(self, client: HttpClient, vendors: Iterable[FakeVendor]) -> None:
        self._client = client
        self._vendors = list(vendors)

    async def send(self, request: HttpRequest) -> HttpResponse:
        for vendor in self._vendors:
            if request.url.startswith(f"{vendor.place}/"):
                return await self._send(request, vendor)
        return await self._client.send(request)

    async def _send(self, request: HttpRequest, vendor: FakeVendor) -> HttpResponse:
        url = vendor.server.url + request.url.removeprefix(vendor.place)
        shown = request.credential and _There(request.credential, vendor.place, vendor)
        response = await self._client.send(replace(request, url=url, credential=shown))
        there = vendor.place + response.url.removeprefix(vendor.server.url)
        return replace(response, url=there)


class _There:
    """A credential at a fake, where it may be shown if it may be at the vendor."""

    def __init__(self, credential: Credential, place: str, vendor: FakeVendor) -> None:
        self._credential = credential
        self._place = urlsplit(place)
        self._here = ("http", "127.0.0.1", vendor.server.port)

    @property
    def type(self) -> str:
        return self._credential.type

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, host, port) != self._here:
            return False
        return self._credential.covers(self._place.scheme, self._place.netloc, 443)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        return await self._credential.sign(request)

    async def renew(self) -> bool:
        return await self._credential.renew()

    def hide(self, text: str) -> str:
        return self._credential.hide(text)

    def open_fields(self) -> Mapping[str, Any]:
        return self._credential.open_fields()

    def reveal(self) -> Mapping[str, Any]:
        return self._credential.reveal()

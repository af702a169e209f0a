"""Trying a credential out: one harmless request with it, and what that says of it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import HttpClient, HttpRequest, Network, NodeError
from engine_service.vault.keychain import OpenCredential
from shared.errors import InvalidInput, Violation

_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a test.

    Attributes:
        status: What the server answered; 0 when it did not, or does not speak HTTP.
        message: What is wrong; empty when the credential works.
    """

    status: int
    message: str = ""


class Trying:
    """Makes tests.

    Args:
        http: What they are made with.
        network: What they are made with at servers that do not speak HTTP.
    """

    def __init__(self, http: HttpClient, network: Network) -> None:
        self._http = http
        self._network = network

    async def test(self, credential: OpenCredential, url: str) -> Verdict:
        """Whether a server takes a credential: the one at a URL, or the one its type knows.

        Raises:
            InvalidInput: Neither is known.
        """
        kind = credential.kind
        if isinstance(kind, AccountType):
            return await self._sign_in(kind, credential)
        request = HttpRequest("GET", url) if url else kind.probe(credential.fields)
        if request is None:
            violation = Violation("/url", "missing", "Name an address that the credential opens.")
            message = f"Credentials of the type {credential.type} are tested at an address."
            raise InvalidInput(message, violations=[violation])
        try:
            response = await self._http.send(
                replace(request, timeout=_SECONDS, credential=credential)
            )
        except NodeError as error:
            return Verdict(0, credential.hide(error.failure.message))
        if url and response.status < 400:
            return Verdict(response.status)
        return Verdict(response.status, credential.hide(kind.complaint(response)))

    async def _sign_in(self, kind: AccountType[Any], credential: OpenCredential) -> Verdict:
        try:
            async with asyncio.timeout(_SECONDS):
                await kind.try_out(credential.fields, self._network)
        except NodeError as error:
            return Verdict(0, credential.hide(error.failure.message))
        except TimeoutError:
            return Verdict(0, f"No answer within {_SECONDS:g} seconds.")
        return Verdict(0)

"""Asking a vendor: one operation becomes requests, and their answers become values.

Refusals that pass (rate limits, servers away) are waited out as the vendor asks, as long as a
repeat can do no harm; whatever is left is told as a `NodeError` with one of the codes of vendors.
"""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Any, cast

from engine_service.connectors.operation import Call, Operation
from engine_service.connectors.pages import Page, following, sized
from engine_service.connectors.vendor import Vendor
from engine_service.sdk.node import (
    Credential,
    Effect,
    Failed,
    HttpRequest,
    HttpResponse,
    NodeError,
    Services,
)
from engine_service.values.paths import get_path, parse_path
from engine_service.web.answers import read_answer
from engine_service.web.outgoing_bodies import Unsendable, encode, with_query
from shared.workflow import Item

TRIES = 3
LONGEST_PAUSE_SECONDS = 60.0
MOST_PAGES = 1_000
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what.

    Attributes:
        key: The same for every try of the same effect.
        item: The item that it is about; for operations that send a file of it.
    """

    vendor: Vendor
    credential: Credential | None
    services: Services
    key: str
    item: Item | None = None

    async def perform(self, operation: Operation) -> list[Any]:
        """Do an operation; what its answer holds, page after page.

        Raises:
            NodeError: It failed.
        """
        call = operation.to_call()
        page = self._first(operation)
        if call.pages is None:
            _, answer = await self.send(call, page)
            return _members(call, answer)
        most, members = operation.at_most(), list[Any]()
        page = sized(call.pages, page, most)
        for _ in range(MOST_PAGES):
            response, answer = await self.send(call, page)
            members.extend(_members(call, answer))
            after = following(call.pages, page, response, answer)
            if after is None or (most is not None and len(members) >= most):
                break
            page = after
        return members[:most]

    async def ask(self, call: Call, body: Any = None, **query: Any) -> Any:
        """The answer to a request beside the operation's own, such as a look-up before it.

        Raises:
            NodeError: It failed.
        """
        url = with_query(self.vendor.address(self.credential, call.path), query)
        _, answer = await self.send(call, Page(url, body))
        return answer

    async def send(self, call: Call, page: Page) -> tuple[HttpResponse, Any]:
        """One answer, waiting for it where that may help and can do no harm.

        Raises:
            NodeError: It failed for good.
        """
        return await self.respond(self._request(call, page), call.effect)

    async def exchange(self, request: HttpRequest, effect: Effect) -> Any:
        """The answer to a request of one's own.

        Raises:
            NodeError: It failed for good.
        """
        _, answer = await self.respond(request, effect)
        return answer

    async def respond(self, request: HttpRequest, effect: Effect) -> tuple[HttpResponse, Any]:
        """The answer to a request of one's own, with its head.

        Raises:
            NodeError: It failed for good.
        """
        for tries in range(1, TRIES + 1):
            try:
                response, answer, failure = await self._exchange(request)
                if failure is None:
                    return response, answer
            except NodeError as error:
                failure = error.failure
            pause = failure.retry_after if failure.retry_after is not None else 2.0 ** (tries - 1)
            harmless = failure.outcome_known or effect is not Effect.UNSAFE
            again = failure.retryable and harmless and pause <= LONGEST_PAUSE_SECONDS
            if not again or tries == TRIES:
                raise NodeError(failure)
            line = f"{failure.message} Trying again in {pause:g} s."
            await self.services.log("warning", line)
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def _exchange(self, request: HttpRequest) -> tuple[HttpResponse, Any, Failed | None]:
        """One answer, and how it refuses; a token that a vendor calls stale is renewed once.

        Raises:
            NodeError: There is no answer.
        """
        for again in (False, True):
            response = await self.services.http.send(request)
            answer = read_answer("auto", response)
            failure = self.vendor.judge(self.vendor, response, answer)
            # The client itself takes care of those that say so with status 401.
            stale = failure and failure.code == "not_authenticated" and response.status < 400
            if again or not stale or not (self.credential and await self.credential.renew()):
                return response, answer, failure
        raise AssertionError("the second round returns")

    def _first(self, operation: Operation) -> Page:
        address = self.vendor.address(self.credential, operation.to_path())
        body = operation.to_body()
        if operation.call.key is not None:
            name, length = operation.call.key
            body = {name: self.token(length), **body}
        return Page(with_query(address, operation.to_query()), body)

    def _request(self, call: Call, page: Page) -> HttpRequest:
        try:
            kind = "none" if page.body is None else self.vendor.body_kind
            encoded = encode(kind, page.body)
        except Unsendable as error:
            raise NodeError(Failed("bad_request", str(error))) from error
        headers = {"accept": "application/json", **self.vendor.headers}
        if encoded.content_type:
            headers["content-type"] = encoded.content_type
        return HttpRequest(
            call.method,
            page.url,
            headers,
            encoded.body,
            timeout=_SECONDS,
            credential=self.credential,
        )

    def token(self, length: int) -> str:
        """The key, as vendors take it: so many letters and digits."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:length]

    def for_item(self, index: int) -> "Caller":
        """The same caller, for the effect of one item among several."""
        return replace(self, key=f"{self.key}:{index}")


def _members(call: Call, answer: Any) -> list[Any]:
    """What an answer holds."""
    found, value = (True, answer) if not call.items else get_path(answer, parse_path(call.items))
    if not found:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]

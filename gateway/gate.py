"""What a request for a resource passes: who is it, may it now, was it answered before?

Routes choose their gate by their class. `UserRoute` wants an access token, counts, and remembers
the answers to keyed POSTs; its subclasses count against more limits. `PublicRoute` counts by
address. Behind the gate the caller's identity is at hand for every call into the mesh.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import orjson
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth import Authenticator
from gateway.door import extra_headers
from gateway.errors import WrongMediaType, query_names, refuse_unknown
from gateway.idempotency import Answers, find_key
from gateway.limits import LimitName, Limits
from shared.errors import Unauthenticated, Unavailable
from shared.rpc import call

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gates are made of; kept in the application's state."""

    authenticator: Authenticator
    limits: Limits
    answers: Answers


class IdConvertor(Convertor[str]):
    """An id in a path, as `{run_id:id}`: up to the slash, or the colon before a verb."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", IdConvertor())


class JsonRequest(Request):
    """A request whose body is JSON as RFC 8259 has it: UTF-8, no NaN, no endless nesting."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


def client_address(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


class PublicRoute(APIRoute):
    """Open to everybody; counted by address."""

    limits: ClassVar[tuple[LimitName, ...]] = ("public",)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def pass_gate(request: Request) -> Response:
            gate = gate_of(request)
            await _count(gate, self.limits, f"address:{client_address(request)}", request)
            return await handle(await _read(request))

        return pass_gate


class UserRoute(APIRoute):
    """For users; counted by user.

    Attributes:
        limits: What a request counts against.
        keyed: Whether the service behind the route honours idempotency keys itself, so that one
            may be relied on even while Redis is away.
        streams: Whether the answer may be a stream, which nobody can remember; the key is then the
            service's alone.
    """

    limits: ClassVar[tuple[LimitName, ...]] = ("api",)
    keyed: ClassVar[bool] = False
    streams: ClassVar[bool] = False

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known = query_names(self)

        async def pass_gate(request: Request) -> Response:
            gate = gate_of(request)
            try:
                claims = await gate.authenticator.authenticate(request.headers.get("authorization"))
            except Unauthenticated:
                await _count(gate, ("public",), f"address:{client_address(request)}", request)
                raise
            principal = claims.principal()
            with call.use(replace(call.current(), principal=principal)):
                await _count(gate, self.limits, f"user:{principal.subject}", request)
                refuse_unknown(request.query_params, known)
                return await self._answer(gate, handle, await _read(request))

        return pass_gate

    async def _answer(self, gate: Gate, handle: Handler, request: Request) -> Response:
        key = find_key(request) if request.method == "POST" else ""
        if not key or self.streams:
            return await handle(request)
        principal = call.caller()
        try:
            opened = await gate.answers.open(key, principal, request)
        except Unavailable:
            if not self.keyed:
                raise
            return await handle(request)
        if isinstance(opened, Response):
            return opened
        try:
            response = await handle(request)
        except BaseException:
            await gate.answers.forget(opened)
            raise
        await gate.answers.keep(opened, response)
        return response


class RunRoute(UserRoute):
    """Starts a run."""

    limits = ("api", "run")
    keyed = True


class ChatRoute(UserRoute):
    """Says something to the consultant."""

    limits = ("api", "chat")
    keyed = True
    streams = True


async def _count(gate: Gate, names: tuple[LimitName, ...], whose: str, request: Request) -> None:
    verdict = await gate.limits.take(names, whose)
    if verdict:
        extra_headers(request.scope).extend(verdict.headers())


async def _read(request: Request) -> JsonRequest:
    """The request with its body read, which must be JSON if there is one.

    Raises:
        BodyTooLarge: It is longer than what is read.
        WrongMediaType: It is not said to be JSON.
    """
    read = JsonRequest(request.scope, request.receive)
    if await read.body() and request.method != "GET":
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise WrongMediaType(
                "The body must be JSON, sent with Content-Type: application/json.",
            )
    return read


def gate_of(request: Request) -> Gate:
    """The application's gate."""
    return cast("Gate", request.app.state.gate)

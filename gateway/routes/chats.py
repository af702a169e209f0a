"""Chats: the page of a chat, and a message on it, whose run is followed to its answer.

A visitor hears the answer and, where the trigger lets them, what language models write meanwhile;
of the run's history nothing else, and never why it failed.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
from fastapi import APIRouter
from google.protobuf.message import Message
from grpc.aio import UnaryStreamCall
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from gateway.gate import PublicRoute
from gateway.pages.hosted import Stranger, ask_for_password, open_page, send
from gateway.pages.render import digest_of, page
from gateway.pages.route import PageRoute
from gateway.parts import ClientsPart, StreamsPart
from gateway.sse import MEDIA_TYPE, collect
from shared.errors import Forbidden
from shared.identity import Principal, Role
from shared.pb.flowloom.engine.v1 import run_service_pb2
from shared.pb.flowloom.engine.v1.trigger_service_pb2 import DOOR_CHAT, FireWebhookResponse
from shared.rpc import call

router = APIRouter(prefix="/v1/chats", route_class=PageRoute, include_in_schema=False)
speaking = APIRouter(prefix="/v1/chats", route_class=PublicRoute, include_in_schema=False)

_SCRIPT = (Path(__file__).parents[1] / "pages" / "chat.js").read_text(encoding="utf-8")
_POLICY = f"script-src {digest_of(_SCRIPT)}; connect-src 'self'"
_SPOKEN = ("text", "output", "reply", "answer", "message", "response")
_PATIENCE_SECONDS = 1.5


@router.get("/{path:path}")
async def open_chat(path: str, request: Request, clients: ClientsPart) -> Response:
    try:
        shown = await open_page(clients, request, DOOR_CHAT, path)
    except Stranger:
        return ask_for_password()
    return page(
        "chat.html",
        shown["title"],
        policy=_POLICY,
        greeting=shown["greeting"],
        script=Markup(_SCRIPT),
    )


@speaking.post("/{path:path}")
async def speak(path: str, request: Request, clients: ClientsPart, events: StreamsPart) -> Response:
    if request.headers.get("sec-fetch-site", "") == "cross-site":
        raise Forbidden("This was sent from another site.", reason="CROSS_SITE")
    try:
        shown = await open_page(clients, request, DOOR_CHAT, path)
    except Stranger:
        return ask_for_password()
    taken = await send(clients, request, DOOR_CHAT, path)
    if not taken.run_id:
        return _refused(taken)

    def follow(sequence: int) -> UnaryStreamCall[Any, Any]:
        wanted = run_service_pb2.WatchRunRequest(run_id=taken.run_id, after_sequence=sequence)
        return clients.runs.WatchRun(wanted)

    # The path begins with the tenant, and the engine took the message for it.
    visitor = Principal(tenant_id=path.partition("/")[0], subject="chat", role=Role.VIEWER)
    with call.use(replace(call.current(), principal=visitor)):
        if MEDIA_TYPE in request.headers.get("accept", ""):
            tell = _tell if shown["stream"] else _tell_the_end
            return await events.respond(request, follow, 0, _PATIENCE_SECONDS, tell)
        told = _end_of(await collect(follow, 0)) or {"message": "There is no answer."}
    status = 200 if "reply" in told else 502
    return Response(orjson.dumps(told), status, media_type="application/json")


def _refused(taken: FireWebhookResponse) -> Response:
    return Response(taken.body, taken.status, media_type="application/json")


def _tell(batch: Sequence[Message]) -> bytes:
    """What a visitor hears of some events."""
    return b"".join(_spoken(event) for event in cast("Sequence[Any]", batch)) + _tell_the_end(batch)


def _spoken(event: Any) -> bytes:
    if event.type != "node.delta":
        return b""
    said: Any = orjson.loads(event.data.json).get("delta")
    text = cast("dict[str, Any]", said).get("text") if isinstance(said, dict) else None
    return _event("delta", {"text": text}) if isinstance(text, str) and text else b""


def _tell_the_end(batch: Sequence[Message]) -> bytes:
    end = _end_of(cast("Sequence[Any]", batch))
    if end is None:
        return b""
    return _event("reply" if "reply" in end else "error", end)


def _end_of(batch: Sequence[Any]) -> dict[str, Any] | None:
    """What a run came to, if its end is among these events."""
    for event in batch:
        if event.type == "run.completed":
            run = orjson.loads(event.data.json)["run"]
            return {"reply": _reply(run.get("output"))}
        if event.type in ("run.failed", "run.cancelled"):
            return {"message": "There was no answer this time."}
    return None


def _reply(output: Any) -> str:
    """The words in what a run gave: a text, or the telling field of its first item."""
    if isinstance(output, list):
        first: Any = cast("list[Any]", output)[0] if output else None
        output = cast("dict[str, Any]", first).get("json") if isinstance(first, dict) else first
    if isinstance(output, dict):
        spoken = cast("dict[str, Any]", output)
        output = next((spoken[name] for name in _SPOKEN if spoken.get(name)), spoken)
    if output in (None, {}, []):
        return ""
    return output if isinstance(output, str) else orjson.dumps(output).decode()


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(data))

"""`trigger.chat`: somebody writes on a chat page."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.shape import Shape
from engine_service.sdk.trigger import Accepted, HostedTrigger, IncomingRequest, Refused
from engine_service.web.request_bodies import UnreadableBody, read_body
from engine_service.web.signatures import Proof, Wrong, verify
from shared.errors import Violation
from shared.workflow import JsonObject

_LONGEST_MESSAGE = 20_000
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,100}")


class ChatTriggerParameters(NodeParameters):
    """What the page shows, and to whom."""

    path: str = Field(
        max_length=200,
        pattern=r"^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
        description="The address of the page below the tenant's chats, such as `help`",
    )
    title: str = Field(
        default="Chat", min_length=1, max_length=200, description="What stands above the chat"
    )
    greeting: str = Field(
        default="How can I help?", max_length=2_000, description="The first words on the page"
    )
    stream: bool = Field(
        default=True,
        description="Whether what language models write is shown while they write it, whichever "
        "node of the run asks them",
    )
    auth: Literal["none", "basic"] = Field(
        default="none", description="Whether the page asks for a user and a password"
    )
    secret: str = Field(
        default="",
        max_length=4_000,
        json_schema_extra={"writeOnly": True},
        description="For auth basic: `user:password`",
    )


class ChatTrigger(HostedTrigger[ChatTriggerParameters]):
    """Starts a run for every message that somebody writes on a chat page.

    The page is at `/v1/chats/{tenant}/{path}` and needs no account. The run's item is
    `{message, session_id}`: the session's id stays the same as long as the page is open, so that a
    memory knows whom it speaks with. The answer is what a `flow.respond` node says, or else the
    last node's first item: its `text`, `output`, `reply`, `answer` or `message`.

    Programs send `{"message": …, "session_id": …}` as JSON to the same address. They get the
    answer as JSON, or as events while it is written when they accept `text/event-stream`.
    """

    Parameters = ChatTriggerParameters
    type = "trigger.chat"
    title = "Chat"
    door = "chat"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"path": "help", "title": "Ask us", "greeting": "What would you like to know?"},
        {"path": "inside", "auth": "basic", "secret": "team:a long random text"},
    )
    keywords = (
        "chat", "chatbot", "assistant", "conversation", "chat message", "talk to", "ask a bot",
        "聊天", "对话", "聊天机器人", "客服", "助手",
    )  # fmt: skip

    def path(self, parameters: ChatTriggerParameters) -> str:
        return parameters.path

    def page(
        self,
        parameters: ChatTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> JsonObject | Refused:
        if refused := _stranger(parameters, request, secret, now):
            return refused
        return {
            "title": parameters.title,
            "greeting": parameters.greeting,
            "stream": parameters.stream,
        }

    def receive(
        self,
        parameters: ChatTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> Accepted | Refused:
        if request.method != "POST":
            return Refused(405, "A message is sent by POST.")
        if refused := _stranger(parameters, request, secret, now):
            return refused
        try:
            body = read_body(request.headers.get("content-type", ""), request.body)
        except UnreadableBody as error:
            return Refused(400, str(error))
        return _said(cast("Mapping[str, Any]", body) if isinstance(body, dict) else {})

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        del parameters, given
        return Shape({"message": "string", "session_id": "string"})

    @classmethod
    def check(cls, parameters: ChatTriggerParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.auth == "basic" and ":" not in parameters.secret:
            return [("/secret", "missing", "Basic authentication needs `user:password`.")]
        return []


def _stranger(
    parameters: ChatTriggerParameters, request: IncomingRequest, secret: str, now: datetime
) -> Refused | None:
    verdict = verify(Proof(parameters.auth), request, secret or parameters.secret, now)
    return Refused(401, verdict.message) if isinstance(verdict, Wrong) else None


def _said(body: Mapping[str, Any]) -> Accepted | Refused:
    message, session = body.get("message"), body.get("session_id")
    wrong: list[Violation] = []
    if not isinstance(message, str) or not 0 < len(message.strip()) <= _LONGEST_MESSAGE:
        wrong.append(Violation("/message", "invalid", f"1 to {_LONGEST_MESSAGE} signs of text."))
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        wrong.append(Violation("/session_id", "invalid", "8 to 100 letters, digits, - and _."))
    if wrong:
        return Refused(422, "The message does not fit.", wrong)
    return Accepted({"json": {"message": message, "session_id": session}}, None, "at_once")

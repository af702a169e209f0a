"""Answers: a message of the mesh as JSON, and how the OpenAPI document tells of it."""

from typing import Any

from google.protobuf.message import Message
from starlette.responses import Response

from gateway.wire import to_json

NO_CONTENT: dict[str, Any] = {"status_code": 204, "response_class": Response}


def reply(message: Message, status: int = 200) -> Response:
    """A message as an answer; its etag, if it has one, is a header as well."""
    etag = getattr(message, "etag", "")
    headers = {"ETag": f'"{etag}"'} if etag else None
    return Response(to_json(message), status, headers, media_type="application/json")


def schema_ref(message: type[Message]) -> dict[str, Any]:
    """How a message's schema is referred to; `openapi.py` finds it by this name."""
    return {"$ref": f"#/components/schemas/{message.DESCRIPTOR.name}"}


def returns(message: type[Message], status: int = 200, **more: str) -> dict[str, Any]:
    """What a route that answers with a message is declared with.

    Args:
        message: What it answers.
        status: The status it does so with.
        more: Further statuses with the same answer, as `_200="When …"`.
    """
    content = {"application/json": {"schema": schema_ref(message)}}
    responses: dict[int, Any] = {status: {"description": "Done", "content": content}}
    for name, description in more.items():
        responses[int(name.removeprefix("_"))] = {"description": description, "content": content}
    return {"status_code": status, "responses": responses, "response_class": Response}


def streams(event: type[Message], json: type[Message] | None = None) -> dict[str, Any]:
    """What a route that answers with events is declared with.

    Args:
        event: What each event's `data` holds.
        json: What it answers instead to clients that accept JSON only.
    """
    content: dict[str, Any] = {
        "text/event-stream": {
            "schema": {
                "type": "string",
                "description": "Server-sent events: `id` is the event's sequence, `event` its "
                "type, `data` the event as JSON",
            },
            # OpenAPI 3.1 has no word for the items of a stream.
            "x-event-data": schema_ref(event),
        }
    }
    if json:
        content["application/json"] = {"schema": schema_ref(json)}
    described = {"description": "Events, each with the sequence as its id", "content": content}
    ended = {"description": "Everything was told already; there is nothing to wait for"}
    return {"responses": {200: described, 204: ended}, "response_class": Response}

"""Bodies of incoming requests, as JSON values: what a webhook's item shows.

Raw bytes and a content type go in. JSON, forms and texts are read; anything else is handed on in
base64. A body that is not what its content type says is refused.
"""

import base64
import json
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, cast
from urllib.parse import parse_qsl

from shared.workflow import JsonObject

MOST_FIELDS = 1_000


class UnreadableBody(ValueError):
    """The body is not what its content type says; the message is for the sender."""


def read_query(query: str) -> JsonObject:
    """A query string as an object; a name that is there more than once has a list."""
    try:
        return _gather(parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise UnreadableBody(f"The query string has more than {MOST_FIELDS} fields.") from error


def read_body(content_type: str, body: bytes) -> Any:
    """The body as a JSON value; {} when there is none.

    Raises:
        UnreadableBody: It is not what the content type says.
    """
    if not body:
        return {}
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else ""
    if kind == "application/json" or kind.endswith("+json"):
        return _read_json(body)
    if kind == "application/x-www-form-urlencoded":
        return read_query(_read_text(body, "utf-8"))
    if kind == "multipart/form-data":
        return _read_multipart(content_type, body)
    if kind.startswith("text/") or kind.endswith(("/xml", "+xml")):
        return _read_text(body, header.get_content_charset("utf-8"))
    return _read_unnamed(body) if not kind else _in_base64(kind, body)


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody("The body is not JSON.") from error


def _no_constant(name: str) -> Any:
    raise UnreadableBody(f"{name} is not JSON.")


def _read_text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except (UnicodeDecodeError, LookupError) as error:
        raise UnreadableBody(f"The body is not text in {charset}.") from error


def _read_unnamed(body: bytes) -> Any:
    """A body without a content type: JSON if it looks like it, else text, else bytes."""
    if body.lstrip()[:1] in (b"{", b"["):
        return _read_json(body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _in_base64("application/octet-stream", body)


def _in_base64(kind: str, body: bytes) -> JsonObject:
    return {"content_type": kind, "base64": base64.b64encode(body).decode("ascii")}


def _read_multipart(content_type: str, body: bytes) -> JsonObject:
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart() or message.defects:
        raise UnreadableBody("The body is no multipart form.")
    fields: list[tuple[str, Any]] = []
    for part in cast("list[Message]", message.get_payload()):
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            fields.append((name, _part_value(part)))
    return _gather(fields)


def _part_value(part: Message) -> Any:
    content = cast("bytes", part.get_payload(decode=True) or b"")
    filename = part.get_filename()
    if filename is None:
        return _read_text(content, part.get_content_charset("utf-8"))
    return {"filename": filename, **_in_base64(part.get_content_type(), content)}


def _gather(fields: Iterable[tuple[str, Any]]) -> JsonObject:
    gathered: JsonObject = {}
    for name, value in fields:
        if name not in gathered:
            gathered[name] = value
        elif isinstance(gathered[name], list):
            cast("list[Any]", gathered[name]).append(value)
        else:
            gathered[name] = [gathered[name], value]
    return gathered

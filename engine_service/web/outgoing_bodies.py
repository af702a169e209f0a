"""Bodies and addresses of outgoing requests: JSON values become what goes over the wire."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from engine_service.values.field_types import to_text

BodyKind = Literal["none", "json", "form", "multipart", "raw", "base64", "file"]


class Unsendable(ValueError):
    """The value cannot be sent as that kind of body."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be sent; `content_type` is empty when there is no body."""

    body: bytes | None
    content_type: str


def encode(kind: BodyKind, value: Any, content_type: str = "") -> Encoded:
    """A value as a request body.

    Raises:
        Unsendable: The value does not suit the kind.
    """
    match kind:
        case "none":
            return Encoded(None, "")
        case "json":
            return Encoded(_as_json(value), content_type or "application/json")
        case "form":
            text = urlencode(list(_fields(value)))
            return Encoded(text.encode("ascii"), "application/x-www-form-urlencoded")
        case "multipart":
            return _as_multipart(value)
        case "raw":
            text = "" if value is None else to_text(value)
            return Encoded(text.encode(), content_type or "text/plain; charset=utf-8")
        case "file":
            raise Unsendable("Files are sent by `http.request` only.")
        case "base64":
            return Encoded(_from_base64(value), content_type or "application/octet-stream")


def with_query(url: str, query: Mapping[str, Any]) -> str:
    """The URL with more fields in its query; a list gives its name several times."""
    fields = list(_fields(query))
    if not fields:
        return url
    parts = urlsplit(url)
    joined = "&".join(filter(None, [parts.query, urlencode(fields, quote_via=quote)]))
    return urlunsplit(parts._replace(query=joined))


def replace_query(url: str, name: str, value: str) -> str:
    """The URL with one field of its query set anew."""
    parts = urlsplit(url)
    fields = [each for each in parse_qsl(parts.query, keep_blank_values=True) if each[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*fields, (name, value)], quote_via=quote)))


def without_query(url: str) -> str:
    """The URL for people to read: no query, no user, where secrets may be."""
    parts = urlsplit(url)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(shown) + ("?…" if parts.query else "")


def _as_json(value: Any) -> bytes:
    """JSON, of a value or of a text that is JSON already."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            pass
        else:
            return value.encode()
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise Unsendable(f"The body cannot be written as JSON: {error}.") from error


def _fields(value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise Unsendable("A form needs an object: names and their values.")
    for name, content in cast("Mapping[str, Any]", value).items():
        for each in cast("Sequence[Any]", content) if isinstance(content, list) else [content]:
            if each is not None:
                yield name, to_text(each)


def _as_multipart(value: Any) -> Encoded:
    """A multipart form; `{filename, content_type, base64}` is a file."""
    if not isinstance(value, Mapping):
        raise Unsendable("A form needs an object: names and their values.")
    parts: list[bytes] = []
    for name, content in cast("Mapping[str, Any]", value).items():
        each_of = cast("Sequence[Any]", content) if isinstance(content, list) else [content]
        parts.extend(part(name, each) for each in each_of if each is not None)
    # The same form has the same boundary, so that a repeat is the same request, byte for byte.
    boundary = "flowloom-" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    line = b"--" + boundary.encode("ascii")
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return Encoded(body, f"multipart/form-data; boundary={boundary}")


def part(name: str, value: Any) -> bytes:
    """One part of a multipart form.

    Raises:
        Unsendable: Its file is malformed.
    """
    head = f'content-disposition: form-data; name="{quoted(name)}"'
    match value:
        case {"base64": content, **rest}:
            filename = to_text(rest.get("filename") or "file")
            kind = to_text(rest.get("content_type") or "application/octet-stream")
            if "\r" in kind or "\n" in kind:
                raise Unsendable("A content type has one line only.")
            head += f'; filename="{quoted(filename)}"\r\ncontent-type: {kind}'
            return head.encode() + b"\r\n\r\n" + _from_base64(content)
        case _:
            return head.encode() + b"\r\n\r\n" + to_text(value).encode()


def quoted(text: str) -> str:
    """A name within quotes, as browsers write it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(to_text(value), validate=True)
    except binascii.Error as error:
        raise Unsendable("The content is not base64.") from error

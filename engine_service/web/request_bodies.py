"""Bodies of incoming requests, as JSON values: what a webhook's item shows.

Raw bytes and a content type go in. JSON, forms and texts are read; anything else is handed on in
base64. A body that is not what its content type says is refused.
"""

import base64
import codecs
import json
import re
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from typing import Any, cast
from urllib.parse import parse_qsl

from shared.workflow import JsonObject

MOST_FIELDS = 1_000
MOST_DIGITS = 400
_LONGEST_PART_HEAD = 8 * 1024
_LONGEST_BOUNDARY = 200
# Python knows more, among them some that take the square of a text's length.
_CHARSETS = re.compile(
    r"utf-(?:8|8-sig|16|16-[bl]e|32|32-[bl]e)|ascii|iso8859-\d+|cp\d+|koi8-[ru]|mac-roman"
    r"|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis|euc_jp|euc_kr|iso2022_jp"
)


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
        return _read_multipart(header.get_boundary(), body)
    if kind.startswith("text/") or kind.endswith(("/xml", "+xml")):
        return _read_text(body, header.get_content_charset("utf-8"))
    return _read_unnamed(body) if not kind else _in_base64(kind, body)


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant, parse_int=_read_int)
    except UnreadableBody:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableBody("The body is not JSON.") from error


def _no_constant(name: str) -> Any:
    raise UnreadableBody(f"{name} is not JSON.")


def _read_int(digits: str) -> int:
    """An integer; reading and writing one takes the square of its length."""
    if len(digits) > MOST_DIGITS:
        raise UnreadableBody(f"A number has more than {MOST_DIGITS} digits.")
    return int(digits)


def _read_text(body: bytes, charset: str) -> str:
    try:
        codec = codecs.lookup(charset).name
        if not _CHARSETS.fullmatch(codec):
            raise LookupError(codec)
        return body.decode(codec)
    except (ValueError, LookupError) as error:
        raise UnreadableBody(f"The body is not text in {charset[:40]!r}.") from error


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


def _read_multipart(boundary: str | None, body: bytes) -> JsonObject:
    """The fields of a form (RFC 7578), whose parts hold no parts.

    The standard library's parser goes through a body line by line, and into parts of parts: whoever
    sends many of either keeps it busy for minutes.
    """
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise UnreadableBody("The body is no multipart form.")
    mark = re.escape(boundary.encode("latin-1", "replace"))
    delimiter = re.compile(rb"\r\n--" + mark + rb"(?=--|[ \t]*\r\n)[ \t]*")
    _, *parts = delimiter.split(b"\r\n" + body, MOST_FIELDS + 2)
    if len(parts) > MOST_FIELDS + 1:
        raise UnreadableBody(f"The form has more than {MOST_FIELDS} fields.")
    if len(parts) < 2 or not parts.pop().startswith(b"--"):
        raise UnreadableBody("The body is no multipart form.")
    fields: list[tuple[str, Any]] = []
    for part in parts:
        name, value = _read_part(part)
        if name is not None:
            fields.append((name, value))
    return _gather(fields)


def _read_part(part: bytes) -> tuple[str | None, Any]:
    """A field's name, if it has one, and its value."""
    head, separator, content = part.partition(b"\r\n\r\n")
    if not separator or len(head) > _LONGEST_PART_HEAD:
        raise UnreadableBody("The body is no multipart form.")
    try:
        about = HeaderParser().parsestr(head.decode(errors="replace").lstrip("\r\n"))
        name = about.get_param("name", header="content-disposition")
        filename = about.get_filename()
        charset = about.get_content_charset("utf-8")
    except ValueError as error:
        raise UnreadableBody("A part of the form has a malformed head.") from error
    if not isinstance(name, str):
        return None, None
    if filename is None:
        return name, _read_text(content, charset)
    return name, {"filename": filename, **_in_base64(about.get_content_type(), content)}


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

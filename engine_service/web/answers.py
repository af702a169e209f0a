"""Answers of HTTP APIs, as JSON values: what `http.request` makes of bytes and headers."""

import base64
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from engine_service.sdk.node import Failed, HttpResponse, NodeError

AnswerKind = Literal["auto", "json", "text", "base64"]


def read_answer(wanted: AnswerKind, response: HttpResponse) -> Any:
    """The body as it is wanted; `auto` reads JSON by its content type, and the rest as text.

    Raises:
        NodeError: It was to be JSON and is not.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    match wanted:
        case "base64":
            return base64.b64encode(response.body).decode("ascii")
        case "text":
            return _text(response)
        case "json":
            return _json(response)
        case "auto" if kind == "application/json" or kind.endswith("+json"):
            return _json(response) if response.body.strip() else {}
        case "auto":
            return _text(response)


def retry_after(response: HttpResponse) -> float | None:
    """Seconds that the server asks to wait, given as a number or a date."""
    header = response.headers.get("retry-after", "")
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def seconds_until(epoch: str) -> float | None:
    """Seconds until a moment that is given in seconds since 1970; None when it is none."""
    if not epoch.isascii() or not epoch.isdigit():
        return None
    return max(0.0, float(epoch) - datetime.now(UTC).timestamp())


def _text(response: HttpResponse) -> str:
    charset = "utf-8"
    for parameter in response.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"')
    try:
        return response.body.decode(charset, "replace")
    except LookupError:
        return response.body.decode("utf-8", "replace")


def _json(response: HttpResponse) -> Any:
    try:
        return orjson.loads(response.body)  # a third of the time, which is the event loop's
    except orjson.JSONDecodeError:
        pass  # large integers and half characters are JSON too
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise NodeError(Failed("bad_response", f"The answer is not JSON: {error}.")) from error

"""What is sent for an operation of an OpenAPI document: checked against it, then written down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urljoin

from engine_service.connectors.openapi_document import ApiOperation, Document
from engine_service.sdk.node import Failed, NodeError
from engine_service.values.field_types import to_text
from engine_service.values.schemas import BadSchema, Schema
from engine_service.web.outgoing_bodies import BodyKind, Encoded, Unsendable, encode, with_query
from shared.workflow import JsonObject

_SHOWN_FINDINGS = 5
_KINDS: Sequence[tuple[str, BodyKind]] = (
    ("application/json", "json"),
    ("application/x-www-form-urlencoded", "form"),
    ("multipart/form-data", "multipart"),
    ("text/", "raw"),
    ("application/octet-stream", "base64"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """A request as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Encoded


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to send.

    Attributes:
        server: Where to, instead of where the document says; empty for that.
        base: The document's own address, which its servers may be relative to.
    """

    values: Mapping[str, Any]
    body: Any
    server: str = ""
    server_variables: Mapping[str, str] | None = None
    base: str = ""


def findings(document: Document, operation: ApiOperation, wanted: Wanted) -> list[str]:
    """What is wrong with what is wanted, in words.

    Raises:
        NodeError: A schema of the document cannot be used.
    """
    known = {str(row.get("name")): row for row in operation.parameters}
    said = [f"there is no parameter {name!r}" for name in wanted.values if name not in known]
    for name, row in known.items():
        value = wanted.values.get(name)
        if value is None:
            if row.get("required"):
                said.append(f"the parameter {name!r} is required")
            continue
        schema = _schema_of(row)
        said += _violations(document, schema, _typed(value, schema), f"the parameter {name!r}")
    if operation.body is None:
        if wanted.body is not None:
            said.append("the operation takes no body")
    elif wanted.body is None:
        if operation.body.get("required"):
            said.append("a body is required")
    else:
        _, schema = _content(operation.body)
        said += _violations(document, _for_sending(document, schema), wanted.body, "the body")
    return said


def write(document: Document, operation: ApiOperation, wanted: Wanted) -> Written:
    """The request, once nothing is wrong with it.

    Raises:
        NodeError: Something is, or nobody says where the API is.
    """
    wrong = findings(document, operation, wanted)
    if wrong:
        shown = "; ".join(wrong[:_SHOWN_FINDINGS])
        raise NodeError(Failed("invalid_request", f"{operation.name}: {shown}."))
    path, query, headers = operation.path, dict[str, Any](), dict[str, str]()
    cookies: list[str] = []
    for row in operation.parameters:
        name = str(row.get("name"))
        value = wanted.values.get(name)
        if value is None:
            continue
        match row.get("in"):
            case "path":
                path = path.replace(f"{{{name}}}", _step(name, value))
            case "query":
                query.update(_query(row, name, value))
            case "header":
                headers[name.lower()] = _plain(value)
            case _:
                cookies.append(f"{name}={quote(_plain(value), safe='')}")
    if cookies:
        headers["cookie"] = "; ".join(cookies)
    base = _server(operation, wanted)
    return Written(
        operation.method,
        with_query(f"{base.rstrip('/')}{path}", query),
        headers,
        _body(operation, wanted),
    )


def _server(operation: ApiOperation, wanted: Wanted) -> str:
    declared = operation.servers[0] if operation.servers else {}
    url = wanted.server or str(declared.get("url") or "")
    variables: JsonObject = declared.get("variables") or {}
    chosen = {**{k: v.get("default", "") for k, v in variables.items()},
              **(wanted.server_variables or {})}  # fmt: skip
    for name, value in chosen.items():
        url = url.replace(f"{{{name}}}", str(value))
    whole = urljoin(wanted.base, url) if wanted.base else url
    if not whole.startswith(("http://", "https://")):
        raise NodeError(Failed("bad_document", "The document does not say where the API is."))
    return whole


def _body(operation: ApiOperation, wanted: Wanted) -> Encoded:
    if operation.body is None or wanted.body is None:
        return Encoded(None, "")
    content_type, _ = _content(operation.body)
    found: list[BodyKind] = [kind for start, kind in _KINDS if content_type.startswith(start)]
    kind: BodyKind = found[0] if found else "json"
    own = content_type if kind in ("json", "raw", "base64") else ""
    try:
        return encode(kind, wanted.body, own)
    except Unsendable as error:
        raise NodeError(Failed("bad_request", str(error))) from error


def _content(body: JsonObject) -> tuple[str, Any]:
    """The content type that is sent, JSON if it is among them, and its schema."""
    found = body.get("content")
    content = cast("JsonObject", found) if isinstance(found, dict) else {}
    ranked = sorted(content, key=lambda kind: "json" not in kind)
    chosen = ranked[0] if ranked else "application/json"
    media = content.get(chosen)
    schema = cast("JsonObject", media).get("schema", True) if isinstance(media, dict) else True
    return chosen, schema


def _schema_of(row: JsonObject) -> Any:
    if "schema" in row:
        return row["schema"]
    _, schema = _content(row)
    return schema


def _violations(document: Document, schema: Any, value: Any, of: str) -> list[str]:
    try:
        found = Schema(document.schema(schema)).violations(value)
    except BadSchema as error:
        raise NodeError(Failed("bad_document", f"A schema cannot be used: {error}.")) from error
    return [f"{of}{row['pointer'] and ' at ' + row['pointer']}: {row['message']}" for row in found]


def _for_sending(document: Document, schema: Any) -> Any:
    """A schema without the duty to send what only the server writes."""
    if not isinstance(schema, dict):
        return schema
    shape = cast("JsonObject", schema)
    reference = shape.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
        named = document.components.get("schemas", {}).get(reference.rpartition("/")[2])
        return _for_sending(document, named) if named is not None else shape
    properties: JsonObject = shape.get("properties") or {}
    written = {
        name
        for name, one in properties.items()
        if isinstance(one, dict) and cast("JsonObject", one).get("readOnly")
    }
    if not written or "required" not in shape:
        return shape
    return {**shape, "required": [name for name in shape["required"] if name not in written]}


def _typed(value: Any, schema: Any) -> Any:
    """A text as the number or the truth value that it goes over the wire as anyway."""
    kind = cast("JsonObject", schema).get("type") if isinstance(schema, dict) else None
    if not isinstance(value, str) or kind not in ("integer", "number", "boolean"):
        return value
    try:
        read: Any = json.loads(value)
    except ValueError:
        return value
    return read if isinstance(read, int | float) else value


def _step(name: str, value: Any) -> str:
    text = _plain(value)
    if not text.strip("."):
        raise NodeError(Failed("bad_request", f"{name!r} cannot be {text!r}."))
    return quote(text, safe="")


def _query(row: JsonObject, name: str, value: Any) -> JsonObject:
    if "content" in row:
        return {name: json.dumps(value)}
    exploded = row.get("explode", row.get("style", "form") == "form")
    if isinstance(value, dict):
        fields = cast("JsonObject", value)
        if row.get("style") == "deepObject":
            return {f"{name}[{key}]": inner for key, inner in fields.items()}
        return fields if exploded else {name: _plain(fields)}
    if isinstance(value, list) and not exploded:
        separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(str(row.get("style")), ",")
        return {name: separator.join(map(to_text, cast("list[Any]", value)))}
    return {name: value}


def _plain(value: Any) -> str:
    """A value in the style that OpenAPI calls simple."""
    if isinstance(value, list):
        return ",".join(map(to_text, cast("list[Any]", value)))
    if isinstance(value, dict):
        pairs = cast("JsonObject", value).items()
        return ",".join(f"{name},{to_text(inner)}" for name, inner in pairs)
    return to_text(value)

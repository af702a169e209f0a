"""HTTP Request: versions 1 to 4.2, of which those before 3 wrote everything otherwise."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine_service.n8n.expressions import read_json, translate
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_FORMATS = {"autodetect": "auto", "json": "json", "text": "text", "string": "text"}
_BODY_KINDS = {
    "json": "json", "form-urlencoded": "form", "multipart-form-data": "multipart", "raw": "raw",
}  # fmt: skip
_OF_BODY = re.compile(r"^\s*\$response\.body((?:\??\.\w+|\[[\"']\w+[\"']\])+)\s*$")
_STEP = re.compile(r"\w+")
_PAGE = re.compile(r"^\s*\$pageCount\s*(?:\+\s*(\d+))?\s*$")
_OPEN_CLOSE = re.compile(r"^=?\s*\{\{(.*)\}\}\s*$", re.DOTALL)
_FULL = "The answer's status is 'status' here, not 'statusCode'."


def _request(node: SourceNode) -> Mapped:
    fields = node.fields
    made: JsonObject = {
        "method": method_of(fields, "method"),
        "url": fields.take("url", ""),
        **_sent(fields, "Query", "query"),
        **_sent(fields, "Headers", "headers"),
        **_body(fields),
        **_options(fields.section("options")),
    }
    _auth(fields, node.credentials)
    fields.ignore("provideSslCertificates", "infoMessage", "curlImport", "toolDescription")
    return Mapped("http.request", made)


def method_of(fields: Fields, name: str) -> str:
    """The method, which may be no expression."""
    method = str(fields.fixed(name, "GET")).upper()
    if method not in _METHODS:
        raise CannotMap(f"There is no counterpart of the method {method!r}.")
    return method


def _auth(fields: Fields, credentials: Mapping[str, Any]) -> None:
    """Say when it proved who sends it; the secret itself is in no export."""
    how = str(fields.fixed("authentication", "none") or "none")
    kind = str(fields.fixed("genericAuthType", "") or fields.fixed("nodeCredentialType", ""))
    if how != "none" and not credentials:
        fields.differ(f"It authenticates by {kind or how}: connect a credential for that.")


def _sent(fields: Fields, noun: str, ours: str) -> JsonObject:
    """Query or headers, by pairs or as one JSON text."""
    lower = "query" if noun == "Query" else "header"
    pairs, text = f"{lower}Parameters", f"json{noun}"
    if not fields.flag(f"send{noun}"):
        fields.ignore(f"specify{noun}", pairs, text)
        return {}
    if fields.fixed(f"specify{noun}", "keypair") == "json":
        fields.ignore(pairs)
        return {ours: as_object(fields.verbatim(text, "{}"))}
    fields.ignore(text)
    return {ours: pairs_of(fields.rows(pairs, "parameters"))}


def pairs_of(rows: Sequence[Fields]) -> JsonObject:
    """Names and values; a name that comes again makes a list."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        if name := row.text("name"):
            values.setdefault(name, []).append(row.take("value", ""))
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


def as_object(text: Any) -> Any:
    """An object written as JSON text, with or without expressions inside.

    Raises:
        CannotMap: It is text that becomes JSON only when it is filled.
    """
    if not isinstance(text, str):
        return translate(text)
    if _OPEN_CLOSE.match(text) and text.count("{{") == 1:
        return translate(text)
    try:
        if text.startswith("="):
            return read_json(text.removeprefix("="))
        return translate(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise CannotMap("A JSON text becomes JSON only when it is filled.") from error


def _body(fields: Fields) -> JsonObject:
    fields.ignore("specifyBody", "bodyParameters", "jsonBody", "body", "contentType")
    if not fields.flag("sendBody"):
        fields.ignore("rawContentType", "inputDataFieldName")
        return {}
    content = fields.fixed("contentType", "json")
    if content == "binaryData":
        return {"body_kind": "file", "body": fields.text("inputDataFieldName", "data")}
    kind = fields.choice("contentType", _BODY_KINDS, "json")
    if kind == "raw":
        raw_type = fields.text("rawContentType")
        shown = {"content_type": raw_type} if raw_type else {}
        return {"body_kind": "raw", "body": fields.take("body", ""), **shown}
    specified = fields.fixed("specifyBody", "keypair")
    if specified == "json":
        return {"body_kind": "json", "body": _json_text(fields.verbatim("jsonBody", "{}"))}
    if specified == "string":
        return _form_text(fields.take("body", ""))
    rows = fields.rows("bodyParameters", "parameters")
    if any(row.fixed("parameterType", "formData") == "formBinaryData" for row in rows):
        return {"body_kind": "multipart", "body": _form_with_files(rows)}
    return {"body_kind": kind, "body": pairs_of(rows)}


def _form_with_files(rows: list[Fields]) -> JsonObject:
    body: JsonObject = {}
    for row in rows:
        name = row.text("name")
        if row.fixed("parameterType", "formData") == "formBinaryData":
            body[name] = {"binary": row.text("inputDataFieldName", "data")}
            row.ignore("value")
        else:
            body[name] = row.take("value", "")
            row.ignore("inputDataFieldName")
    return body


def _json_text(text: Any) -> Any:
    """A body of JSON: an object where it is written plainly, else the text, which is sent as is."""
    if not isinstance(text, str) or text.startswith("="):
        return translate(text)
    try:
        return translate(orjson.loads(text))
    except orjson.JSONDecodeError:
        return translate(text)


def _form_text(text: Any) -> JsonObject:
    form = "application/x-www-form-urlencoded"
    return {"body_kind": "raw", "body": text, "content_type": form}


# --- options


def _options(options: Fields) -> JsonObject:
    made: JsonObject = {}
    response = options.section("response", "response")
    if response.flag("fullResponse"):
        made["full_response"] = True
        options.differ(_FULL)
    if response.flag("neverError"):
        made["fail_on_status"] = False
    is_file = response.fixed("responseFormat", "autodetect") == "file"
    kind = "file" if is_file else response.choice("responseFormat", _FORMATS, "autodetect")
    if kind != "auto":
        made["response"] = kind
    if is_file:
        made["file_field"] = response.text("outputPropertyName", "data")
    elif response.fixed("outputPropertyName", "data") != "data":
        options.differ("A text comes in the field 'data'.")
    batch = options.section("batching", "batch")
    if batch.number("batchSize", 0) > 0:
        made["batch_size"] = int(batch.number("batchSize", 0))
        made["batch_pause"] = batch.number("batchInterval", 1_000) / 1_000
    made.update(connection_options(options))
    redirect = options.section("redirect", "redirect")
    if redirect.raw and not redirect.flag("followRedirects", True):
        made["follow_redirects"] = False
    redirect.ignore("maxRedirects")
    options.ignore("lowercaseHeaders", "queryParameterArrays")
    return {**made, **_pagination(options.section("pagination", "pagination"))}


def connection_options(options: Fields) -> JsonObject:
    """What old and new versions have alike."""
    made: JsonObject = {}
    if options.has("timeout"):
        made["timeout"] = min(max(options.number("timeout", 300_000) / 1_000, 1), 600)
    if options.flag("allowUnauthorizedCerts"):
        made["verify_tls"] = False
    return made


def _pagination(fields: Fields) -> JsonObject:
    if not fields.raw:
        return {}
    mode = fields.fixed("paginationMode", "updateAParameterInEachRequest")
    if mode == "off":
        return {}
    made: JsonObject = {}
    if mode == "responseContainsNextURL":
        made = {"kind": "next_url", "path": _body_path(fields.verbatim("nextURL", ""))}
        fields.ignore("parameters")
    else:
        fields.ignore("nextURL")
        made = _by_parameter(fields.rows("parameters", "parameters"))
    if fields.flag("limitPagesFetched"):
        made["max_pages"] = int(fields.number("maxRequests", 100))
    fields.ignore("paginationCompleteWhen", "statusCodesWhenComplete", "requestInterval")
    fields.ignore("maxRequests", "completeExpression")
    fields.differ("Pages end with an empty one; name the list in the body as 'items_path'.")
    return {"pagination": made}


def _by_parameter(rows: Sequence[Fields]) -> JsonObject:
    if len(rows) != 1 or rows[0].fixed("type", "qs") != "qs":
        raise CannotMap("Its pages follow from more than one field of the query.")
    row = rows[0]
    name, value = row.text("name"), str(row.verbatim("value", ""))
    inside = _OPEN_CLOSE.match(value)
    page = _PAGE.match(inside[1]) if inside else None
    if page:
        return {"kind": "page", "parameter": name, "start": int(page[1] or 0)}
    return {"kind": "cursor", "parameter": name, "path": _body_path(value)}


def _body_path(value: Any) -> str:
    """The path in the body that an expression names."""
    inside = _OPEN_CLOSE.match(str(value))
    found = _OF_BODY.match(inside[1]) if inside else None
    if not found:
        raise CannotMap("Its pages follow from an expression that is more than a field.")
    return ".".join(_STEP.findall(found[1]))


# --- before version 3


def _old_request(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    made: JsonObject = {
        "method": method_of(fields, "requestMethod"),
        "url": fields.take("url", ""),
        **_old_sent(fields, "query"),
        **_old_sent(fields, "header"),
        **_old_body(fields, options),
        **_old_options(fields, options),
    }
    _auth(fields, node.credentials)
    return Mapped("http.request", made)


def _old_sent(fields: Fields, noun: str) -> JsonObject:
    ours = {"query": "query", "header": "headers"}[noun]
    text, pairs = f"{noun}ParametersJson", f"{noun}ParametersUi"
    if fields.flag("jsonParameters"):
        fields.ignore(pairs)
        return {ours: as_object(fields.verbatim(text))} if fields.has(text) else {}
    fields.ignore(text)
    found = pairs_of(fields.rows(pairs, "parameter"))
    return {ours: found} if found else {}


def _old_body(fields: Fields, options: Fields) -> JsonObject:
    fields.ignore("sendBinaryData", "bodyParametersUi", "bodyParametersJson", "binaryPropertyName")
    if fields.flag("sendBinaryData"):
        options.ignore("bodyContentType", "bodyContentCustomMimeType")
        name = fields.text("binaryPropertyName", "data")
        if ":" in name:
            parts = [part.partition(":") for part in name.split(",")]
            form = {field.strip(): {"binary": file.strip()} for field, _, file in parts}
            return {"body_kind": "multipart", "body": form}
        return {"body_kind": "file", "body": name}
    if fields.fixed("requestMethod", "GET") in ("GET", "HEAD", "OPTIONS"):
        options.ignore("bodyContentType", "bodyContentCustomMimeType")
        return {}
    kind = options.choice("bodyContentType", _BODY_KINDS, "json")
    if not fields.flag("jsonParameters"):
        found = pairs_of(fields.rows("bodyParametersUi", "parameter"))
        return {"body_kind": kind, "body": found} if found else {}
    if not fields.has("bodyParametersJson"):
        return {}
    mime = options.text("bodyContentCustomMimeType")
    shown = {"content_type": mime} if mime else {}
    if kind in ("form", "multipart"):
        body = as_object(fields.verbatim("bodyParametersJson"))
        return {"body_kind": kind, "body": body}
    return {"body_kind": kind, "body": _json_text(fields.verbatim("bodyParametersJson")), **shown}


def _old_options(fields: Fields, options: Fields) -> JsonObject:
    made = connection_options(options)
    if fields.flag("allowUnauthorizedCerts"):
        made["verify_tls"] = False
    is_file = fields.fixed("responseFormat", "json") == "file"
    kind = "file" if is_file else fields.choice("responseFormat", _FORMATS, "json")
    made["response"] = kind
    if is_file:
        made["file_field"] = fields.text("dataPropertyName", "data")
    if kind == "text" and fields.fixed("dataPropertyName", "data") != "data":
        fields.differ("A text comes in the field 'data'.")
    fields.ignore("dataPropertyName")
    if options.flag("fullResponse"):
        made["full_response"] = True
        fields.differ(_FULL)
    if options.flag("ignoreResponseCode"):
        made["fail_on_status"] = False
    if not options.flag("followRedirect", True):
        made["follow_redirects"] = False
    if not options.flag("splitIntoItems"):
        made["split_items"] = False
    if options.number("batchSize", 0) > 0:
        made["batch_size"] = int(options.number("batchSize", 0))
        made["batch_pause"] = options.number("batchInterval", 1_000) / 1_000
    options.ignore("batchInterval", "followAllRedirects", "queryParameterArrays", "useStream")
    return made


def _any_request(node: SourceNode) -> Mapped:
    return _request(node) if node.version >= 3 else _old_request(node)


MAPPINGS = (NodeMapping(("n8n-nodes-base.httpRequest",), _any_request),)

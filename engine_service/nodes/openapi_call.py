"""`openapi.call`: any operation of any API that an OpenAPI document describes."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import orjson
from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import as_object, each_item
from engine_service.connectors.openapi_document import Document, read_document
from engine_service.connectors.openapi_request import Wanted, Written, findings, write
from engine_service.connectors.vendor import Vendor, by_status, said_in
from engine_service.credentials import HTTP_TYPES
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    HttpRequest,
    HttpResponse,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.paths import get_path, parse_path
from engine_service.web.outgoing_bodies import without_query
from shared.workflow import Item, JsonObject

_EFFECTS = {
    "GET": Effect.READ,
    "HEAD": Effect.READ,
    "OPTIONS": Effect.READ,
    "PUT": Effect.KEYED,
    "DELETE": Effect.KEYED,
}
_CHECKED_AT_ONCE = 100_000


class OpenApiParameters(NodeParameters):
    """Which API, which operation, and what it is given."""

    document: dict[str, Any] | str | None = Field(
        default=None, description="The OpenAPI 3 document: an object, or JSON or YAML as text"
    )
    document_url: str = Field(
        default="", max_length=8_000, description="Or where it is; it is read anew for every run"
    )
    operation: str = Field(
        min_length=1,
        max_length=500,
        description="Its operationId, or method and path: `GET /x`",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="Values for path, query, header and cookie parameters, by name",
    )
    body: Any = Field(default=None, description="The body, as the document describes it")
    server: str = Field(
        default="", max_length=2_000, description="Where the API is, if not where the document says"
    )
    server_variables: dict[str, str] = Field(
        default_factory=dict[str, str], description="Values for variables in the server's address"
    )
    items_path: str = Field(
        default="", description="Where in the answer the items are; the answer itself when empty"
    )
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds for one request")


class OpenApiCall(ActionNode[OpenApiParameters]):
    """Calls an operation of an API that an OpenAPI document describes.

    The document (3.0 or 3.1, JSON or YAML) stands in the node or at a URL. `operation` picks one
    of its operations; `parameters` and `body` are checked against it before anything is sent, and
    written as it says: into the path, the query in its styles, headers, cookies, a body as JSON,
    form, multipart or text. What is wrong fails the item as `invalid_request`.

    The address is the first server of the document, unless `server` says another; a credential of
    the node proves who asks, at the hosts it is bound to. A list gives one item per member.

    Refusals have the codes `not_authenticated`, `forbidden`, `not_found`, `conflict`, `refused`,
    `rate_limited`, `vendor_unavailable`. A call that changes something carries an
    `Idempotency-Key`; POST and PATCH are not repeated when nobody knows their fate.
    """

    Parameters = OpenApiParameters
    type = "openapi.call"
    title = "OpenAPI call"
    effect = Effect.UNSAFE
    credential_types = HTTP_TYPES
    verbatim = ("document",)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "document": {
                "openapi": "3.1.0",
                "info": {"title": "Shop", "version": "1"},
                "servers": [{"url": "https://api.example.com/v1"}],
                "paths": {"/customers/{id}": {"get": {
                    "operationId": "getCustomer",
                    "parameters": [{"name": "id", "in": "path", "required": True,
                                    "schema": {"type": "integer"}}],
                }}},
            },
            "operation": "getCustomer",
            "parameters": {"id": "{{ $json.id }}"},
        },
    )  # fmt: skip
    keywords = (
        "openapi", "swagger", "openapi document", "operation id", "api description", "any api",
        "rest api with openapi", "openapi接口", "接口文档", "swagger文档",
    )  # fmt: skip

    async def run(self, given: NodeInput[OpenApiParameters], services: Services) -> Outcome:
        count = len(given.items)
        credential = await services.credentials.find(*HTTP_TYPES) if count else None
        documents: dict[str, Document] = {}

        async def perform(index: int) -> list[Item]:
            parameters = given.parameters_for(index)
            url = parameters.document_url
            if url not in documents:
                documents[url] = await _document(parameters, services)
            key = services.idempotency_key if count == 1 else f"{services.idempotency_key}:{index}"
            caller = Caller(_vendor(documents[url]), credential, services, key)
            answer = await _call(parameters, documents[url], caller)
            found, value = (
                get_path(answer, parse_path(parameters.items_path))
                if parameters.items_path
                else (True, answer)
            )
            members = cast("list[Any]", value) if isinstance(value, list) else [value]
            return [
                {"json": as_object(member), "paired_item": index}
                for member in (members if found else [])
            ]

        return await each_item(count, 1, perform)

    def plan(self, parameters: OpenApiParameters) -> str:
        where = without_query(parameters.server or parameters.document_url) or "the API"
        return f"Call {parameters.operation} of {where}"

    def address(self, parameters: OpenApiParameters) -> str:
        return parameters.server or parameters.document_url

    def sample(self, given: NodeInput[OpenApiParameters]) -> Done:
        made: list[Item] = [
            {"json": {"id": "sample"}, "paired_item": index} for index in range(len(given.items))
        ]
        return Done({MAIN: made})

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        operation = str(parameters.get("operation", ""))
        method = operation.partition(" ")[0].upper() if " " in operation else ""
        return _EFFECTS.get(method, cls.effect)

    @classmethod
    def check(cls, parameters: OpenApiParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.document is None:
            if parameters.document_url:
                return []
            return [("", "missing_parameter", "It needs a document, or where one is.")]
        raw = _raw(parameters.document)
        if len(raw) > _CHECKED_AT_ONCE:
            return []  # it is read beside the event loop, when it runs
        try:
            document = read_document(raw)
            operation = document.find(parameters.operation)
            wanted = Wanted(parameters.parameters, parameters.body)
            missing = [text for text in findings(document, operation, wanted) if _is_static(text)]
        except NodeError as error:
            code = error.failure.code
            place = "/operation" if code == "unknown_operation" else "/document"
            return [(place, code, error.failure.message)]
        return [("/parameters", "invalid_parameter", f"{text}.".capitalize()) for text in missing]


def _is_static(finding: str) -> bool:
    """Whether no expression can mend it: what is missing or unknown, not what a value is."""
    return "is required" in finding or finding.startswith("there is no parameter")


def _raw(document: JsonObject | str) -> bytes:
    return document.encode() if isinstance(document, str) else orjson.dumps(document)


async def _document(parameters: OpenApiParameters, services: Services) -> Document:
    """The document, read beside the event loop.

    Raises:
        NodeError: It is not there, or cannot be used.
    """
    if parameters.document is not None:
        return await asyncio.to_thread(read_document, _raw(parameters.document))
    if not parameters.document_url:
        raise NodeError(Failed("bad_document", "It needs a document, or where one is."))
    request = HttpRequest("GET", parameters.document_url, {"accept": "application/json, */*"})
    response = await services.http.send(request)
    if response.status >= 400:
        shown = f"{without_query(parameters.document_url)} answered {response.status}"
        raise NodeError(
            Failed("bad_document", f"The document: {shown}.", retryable=response.status >= 500)
        )
    return await asyncio.to_thread(read_document, response.body)


async def _call(parameters: OpenApiParameters, document: Document, caller: Caller) -> Any:
    operation = document.find(parameters.operation)
    wanted = Wanted(
        parameters.parameters,
        parameters.body,
        parameters.server,
        parameters.server_variables,
        parameters.document_url,
    )
    return await caller.exchange(
        _request(write(document, operation, wanted), parameters, caller),
        _EFFECTS.get(operation.method, Effect.UNSAFE),
    )


def _request(written: Written, parameters: OpenApiParameters, caller: Caller) -> HttpRequest:
    headers = {"accept": "application/json, */*;q=0.8", **written.headers}
    if written.method not in ("GET", "HEAD", "OPTIONS"):
        headers.setdefault("idempotency-key", caller.key)
    if written.body.content_type:
        headers["content-type"] = written.body.content_type
    return HttpRequest(
        written.method,
        written.url,
        headers,
        written.body.body,
        timeout=parameters.timeout,
        credential=caller.credential,
    )


def _vendor(document: Document) -> Vendor:
    return Vendor(document.title, "", HTTP_TYPES, _judge)


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    said = said_in(answer, "message", "error.message", "detail", "title", "error")
    return by_status(vendor, response, said)

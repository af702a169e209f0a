"""`graphql.request`: asks a GraphQL API."""

import re
from dataclasses import replace
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.connectors.asking import MOST_PAGES, Caller
from engine_service.connectors.connector import as_object, each_item
from engine_service.connectors.operation import Call
from engine_service.connectors.pages import Page
from engine_service.connectors.vendor import Vendor, by_status, refusal, said_in
from engine_service.credentials import HTTP_TYPES
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    HttpResponse,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.field_types import to_text
from engine_service.values.paths import get_path, parse_path
from engine_service.web.outgoing_bodies import without_query
from shared.workflow import Item, JsonObject

_SECRET_NAMES: Any = {"x-secret-names": True}
_LIMITS = frozenset({"RATE_LIMITED", "THROTTLED", "TOO_MANY_REQUESTS"})
_READS = re.compile(r"^\s*(?:#[^\n]*\n\s*)*(?:\{|query\b)")


class CursorPages(BaseModel):
    """How a connection's further pages are got."""

    model_config = ConfigDict(extra="forbid")

    page_info: str = Field(
        min_length=1,
        description="Where in the answer its `{hasNextPage, endCursor}` is: `data.issues.pageInfo`",
    )
    variable: str = Field(
        default="after", description="The variable of the query that takes `endCursor`"
    )
    max_pages: int = Field(default=100, ge=1, le=MOST_PAGES, description="No more pages than these")


class GraphQlParameters(NodeParameters):
    """What to ask, of whom."""

    url: str = Field(min_length=1, max_length=8_000, description="The API's address")
    query: str = Field(min_length=1, max_length=100_000, description="A query or a mutation")
    variables: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Values for the query's variables"
    )
    operation_name: str = Field(
        default="", description="Which operation of the query is meant, if there are several"
    )
    headers: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        json_schema_extra=_SECRET_NAMES,
        description="Headers to send; null leaves one out",
    )
    items_path: str = Field(
        default="data",
        description="Where in the answer the items are: `data.issues.nodes`; a list gives one item "
        "per member",
    )
    fail_on_errors: bool = Field(
        default=True,
        description="Whether errors in the answer fail the item, even if there is data beside them",
    )
    pagination: CursorPages | None = Field(
        default=None, description="How to get the further pages of a connection"
    )


class GraphQlRequest(ActionNode[GraphQlParameters]):
    """Sends a GraphQL query or mutation for each item and gives the data that came.

    Values belong into `variables`, not into the text of the query, whose braces are its own:
    expressions are filled in `variables`, `url` and `headers` only. `items_path` says which part
    of the answer becomes items; `pagination` follows `pageInfo` with its cursor.

    GraphQL says errors with status 200: they fail the item as `graphql_error` with their messages
    and paths, `rate_limited` where the server calls it so. HTTP's own refusals have the codes
    `not_authenticated`, `forbidden`, `not_found`, `refused`, `rate_limited`, `vendor_unavailable`.
    A mutation carries an `Idempotency-Key`, and is not repeated when nobody knows its fate.
    """

    Parameters = GraphQlParameters
    type = "graphql.request"
    title = "GraphQL request"
    effect = Effect.UNSAFE
    credential_types = HTTP_TYPES
    verbatim = ("query",)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://api.example.com/graphql",
         "query": "query ($id: ID!) { customer(id: $id) { name email } }",
         "variables": {"id": "{{ $json.id }}"}, "items_path": "data.customer"},
        {"url": "https://api.example.com/graphql",
         "query": "query ($after: String) { orders(first: 100, after: $after) "
                  "{ nodes { id } pageInfo { hasNextPage endCursor } } }",
         "items_path": "data.orders.nodes",
         "pagination": {"page_info": "data.orders.pageInfo"}},
    )  # fmt: skip
    keywords = (
        "graphql", "graphql api", "graphql query", "mutation", "query with variables", "gql",
        "graphql请求", "graphql查询", "图查询",
    )  # fmt: skip

    async def run(self, given: NodeInput[GraphQlParameters], services: Services) -> Outcome:
        count = len(given.items)
        credential = await services.credentials.find(*HTTP_TYPES) if count else None

        async def perform(index: int) -> list[Item]:
            parameters = given.parameters_for(index)
            key = services.idempotency_key if count == 1 else f"{services.idempotency_key}:{index}"
            vendor = _vendor(parameters, key)
            members = await _pages(parameters, Caller(vendor, credential, services, key))
            return [{"json": as_object(member), "paired_item": index} for member in members]

        reads = bool(count) and is_reading(given.parameters_for(0).query)
        return await each_item(count, 5 if reads else 1, perform)

    def plan(self, parameters: GraphQlParameters) -> str:
        kind = "query" if is_reading(parameters.query) else "mutation"
        return f"GraphQL {kind} to {without_query(parameters.url)}"

    def address(self, parameters: GraphQlParameters) -> str:
        return parameters.url

    def sample(self, given: NodeInput[GraphQlParameters]) -> Done:
        made: list[Item] = [
            {"json": {"id": "sample"}, "paired_item": index} for index in range(len(given.items))
        ]
        return Done({MAIN: made})

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        return Effect.READ if is_reading(str(parameters.get("query", ""))) else cls.effect


def is_reading(query: str) -> bool:
    """Whether a document begins with a query; whatever may be a mutation is none."""
    return bool(_READS.match(query)) and not re.search(r"\bmutation\b", query)


async def _pages(parameters: GraphQlParameters, caller: Caller) -> list[Any]:
    """What the answer holds, and its further pages.

    Raises:
        NodeError: It failed.
    """
    effect = Effect.READ if is_reading(parameters.query) else Effect.UNSAFE
    call = Call("POST", "", effect, items=parameters.items_path)
    body: JsonObject = {"query": parameters.query, "variables": dict(parameters.variables)}
    if parameters.operation_name:
        body["operationName"] = parameters.operation_name
    members: list[Any] = []
    for _ in range(parameters.pagination.max_pages if parameters.pagination else 1):
        _, answer = await caller.send(call, Page(parameters.url, body))
        members.extend(_members(answer, parameters.items_path))
        cursor = _cursor(answer, parameters.pagination)
        if parameters.pagination is None or not cursor:
            break
        body["variables"] = {**body["variables"], parameters.pagination.variable: cursor}
    return members


def _members(answer: Any, path: str) -> list[Any]:
    found, value = get_path(answer, parse_path(path)) if path else (True, answer)
    if not found or value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _cursor(answer: Any, pages: CursorPages | None) -> str | None:
    if pages is None:
        return None
    found, info = get_path(answer, parse_path(pages.page_info))
    match info if found else None:
        case {"hasNextPage": True, "endCursor": str(cursor)}:
            return cursor
        case _:
            return None


def _vendor(parameters: GraphQlParameters, key: str) -> Vendor:
    """The server, as this node speaks to it."""
    headers = {
        name.lower(): to_text(value)
        for name, value in parameters.headers.items()
        if value is not None
    }
    if not is_reading(parameters.query):
        headers = {"idempotency-key": key, **headers}
    server = Vendor("The GraphQL server", "", HTTP_TYPES, _judge, headers)
    return server if parameters.fail_on_errors else replace(server, judge=_judge_http)


def _judge_http(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    failed = by_status(vendor, response, _said(answer) or said_in(answer, "message", "error"))
    if failed is None and not isinstance(answer, dict):
        return refusal(vendor, "bad_response", "no GraphQL", False, response)
    return failed


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    failed = _judge_http(vendor, response, answer)
    errors = _errors(answer)
    if failed is not None or not errors:
        return failed
    codes = {str(said_in(error, "extensions.code", "type")) for error in errors}
    if codes & _LIMITS:
        return refusal(vendor, "rate_limited", _said(answer), True, response)
    return refusal(vendor, "graphql_error", _said(answer), False, response)


def _errors(answer: Any) -> list[JsonObject]:
    rows: Any = cast("JsonObject", answer).get("errors") if isinstance(answer, dict) else None
    return cast("list[JsonObject]", rows) if isinstance(rows, list) else []


def _said(answer: Any) -> str:
    """The errors' messages, each with where it happened."""
    said: list[str] = []
    for error in _errors(answer):
        path = ".".join(map(str, error.get("path") or ()))
        said.append(f"{error.get('message')}" + (f" (at {path})" if path else ""))
    return "; ".join(said)

"""`openapi.call` against an API on loopback and the document that describes it."""

import json
from typing import Any

import pytest

from engine_service.connectors.openapi_document import read_document
from engine_service.nodes.openapi_call import OpenApiCall, OpenApiParameters
from engine_service.sdk.node import Credential, Effect, Failed, NodeError, Outcome
from shared.workflow import JsonObject
from tests.support.connectors import Found, credential
from tests.support.http_server import Answer, Handler, Seen, Server, serve
from tests.support.run_node import allowing, given, jsons, run_action, services

SHOP = """
openapi: 3.0.3
info: {title: Shop, version: 2020-01-01}
servers:
  - url: /v1
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer, minimum: 1}}
    get:
      operationId: getOrder
      parameters:
        - {name: expand, in: query, schema: {type: array, items: {type: string}}}
        - {name: fields, in: query, explode: false, schema: {type: array}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: X-Trace, in: header, schema: {type: string, maxLength: 5}}
        - {name: sid, in: cookie, schema: {type: string}}
    delete:
      responses: {"204": {description: gone}}
  /orders:
    post:
      operationId: createOrder
      requestBody:
        $ref: '#/components/requestBodies/Order'
components:
  requestBodies:
    Order:
      required: true
      content:
        application/xml: {}
        application/json:
          schema: {$ref: '#/components/schemas/Order'}
  schemas:
    Order:
      type: object
      required: [id, total]
      properties:
        id: {type: string, readOnly: true}
        total: {type: number, minimum: 0, exclusiveMinimum: true}
        note: {type: string, nullable: true}
        lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
    Line:
      type: object
      required: [sku]
      additionalProperties: false
      properties: {sku: {type: string}}
"""


def shop(seen: Seen) -> Answer:
    if seen.path == "/openapi.yaml":
        return Answer(200, {"content-type": "application/yaml"}, SHOP.encode())
    if seen.method == "POST":
        return Answer.of_json({"created": seen.json()}, 201)
    return Answer.of_json({"path": seen.path, "query": seen.query})


async def call(api: Server, operation: str, *credentials: Credential, **fields: Any) -> Outcome:
    client = allowing(api.authority)
    if "document" not in fields:
        fields["document_url"] = f"{api.url}/openapi.yaml"
    try:
        what = given(OpenApiCall, {"operation": operation, **fields})
        world = services(http=client, credentials=Found(credentials))
        return await run_action(OpenApiCall, what, world)
    finally:
        await client.close()


async def test_parameters_go_where_the_document_says() -> None:
    async with serve(shop) as server:
        values = {"id": "7", "expand": ["a b", "c"], "fields": ["x", "y"], "filter": {"a": 1},
                  "X-Trace": "t", "sid": "s=1"}  # fmt: skip
        outcome = await call(server, "getOrder", parameters=values)
    assert jsons(outcome)[0]["path"] == "/v1/orders/7"
    sent = server.seen[1]
    assert sent.target == "/v1/orders/7?expand=a%20b&expand=c&fields=x%2Cy&filter%5Ba%5D=1"
    assert (sent.headers["x-trace"], sent.headers["cookie"]) == ("t", "sid=s%3D1")
    assert "idempotency-key" not in sent.headers


async def test_a_body_is_sent_as_json_and_need_not_have_what_the_server_writes() -> None:
    body: JsonObject = {"total": 0.5, "note": None, "lines": [{"sku": "a"}]}
    async with serve(shop) as server:
        outcome = await call(server, "createOrder", body=body, items_path="created")
    assert jsons(outcome) == [body]
    assert server.seen[1].headers["content-type"] == "application/json"
    assert server.seen[1].headers["idempotency-key"] == "run_1:node:0"


@pytest.mark.parametrize(
    ("operation", "fields", "said"),
    [
        ("getOrder", {}, "the parameter 'id' is required"),
        ("getOrder", {"parameters": {"id": 0}}, "the parameter 'id': 0 is less than"),
        ("getOrder", {"parameters": {"id": "x"}}, "the parameter 'id': 'x' is not of type"),
        ("getOrder", {"parameters": {"id": 1, "no": 1}}, "there is no parameter 'no'"),
        ("getOrder", {"parameters": {"id": 1, "X-Trace": "longer"}}, "'X-Trace'"),
        ("getOrder", {"parameters": {"id": 1}, "body": {}}, "takes no body"),
        ("createOrder", {}, "a body is required"),
        ("createOrder", {"body": {"total": 0}}, "the body at /total"),
        ("createOrder", {"body": {"total": 1, "lines": [{"sku": "a", "b": 1}]}}, "/lines/0"),
    ],
)
async def test_what_does_not_fit_is_not_sent(operation: str, fields: JsonObject, said: str) -> None:
    async with serve(shop) as server:
        outcome = await call(server, operation, **fields)
    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_request"
    assert said in outcome.message
    assert [seen.path for seen in server.seen] == ["/openapi.yaml"]


async def test_an_operation_is_found_by_method_and_path_too() -> None:
    async with serve(shop) as server:
        outcome = await call(server, "delete /orders/{id}", parameters={"id": 3})
        unknown = await call(server, "getOrders", parameters={"id": 3})
    assert jsons(outcome)
    assert server.seen[1].method == "DELETE"
    assert isinstance(unknown, Failed)
    assert "Did you mean 'getOrder'" in unknown.message


async def test_a_credential_goes_to_the_server_it_is_meant_for() -> None:
    async with serve(shop) as server:
        ours = credential("http.bearer", {"token": "a-token"}, server.url)
        stray = credential("http.bearer", {"token": "a-token"}, "example.com")
        await call(server, "getOrder", ours, parameters={"id": 1})
        refused = await call(server, "getOrder", stray, parameters={"id": 1})
    assert "authorization" not in server.seen[0].headers, "the document is read without"
    assert server.seen[1].headers["authorization"] == "Bearer a-token"
    assert isinstance(refused, Failed)
    assert refused.code == "credential_host_refused"


async def test_another_server_and_its_variables() -> None:
    document = {**json.loads(json.dumps(ONE)), "servers": [
        {"url": "http://{host}/{base}", "variables": {"host": {"default": "no.example"},
                                                       "base": {"default": "v2"}}}]}  # fmt: skip
    async with serve(shop) as server:
        await call(server, "ping", document=document, server_variables={"host": server.authority})
        await call(server, "ping", document=document, server=f"{server.url}/other/")
    assert [seen.path for seen in server.seen] == ["/v2/ping", "/other/ping"]


ONE: JsonObject = {
    "openapi": "3.1.0", "info": {"title": "One"}, "servers": [{"url": "https://one.example"}],
    "paths": {"/ping": {"get": {"operationId": "ping"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer.of_json({"error": {"message": "who?"}}, 401), "not_authenticated"),
        (Answer.of_json({"detail": "no"}, 422), "refused"),
        (Answer.of_json({}, 429, retry_after="600"), "rate_limited"),
    ],
)
async def test_refusals_have_codes(answer: Answer, code: str) -> None:
    handler: Handler = lambda _: answer  # noqa: E731
    async with serve(handler) as server:
        outcome = await call(server, "ping", document=ONE, server=server.url)
    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert outcome.message.startswith("One answered")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"swagger: '2.0'", "Swagger 2"),
        (b"[1]", "no object"),
        (b"a: [", "neither JSON nor YAML"),
        (b"openapi: 3.1.0\na: &x [1]\nb: *x", "aliases"),
        (b'{"openapi": "3.1.0", "paths": {"/a": {"$ref": "https://x.example/a"}}}', "outside"),
        (b'{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}', "circles"),
    ],
)
def test_a_document_that_is_none_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(NodeError, match=said):
        read_document(raw)


def test_the_same_document_is_read_once() -> None:
    assert read_document(SHOP.encode()) is read_document(SHOP.encode())


def test_a_document_in_the_node_is_checked_before_any_run() -> None:
    def codes(**fields: Any) -> list[str]:
        made = OpenApiParameters.model_validate({"document": SHOP, **fields})
        return [code for _, code, _ in OpenApiCall.check(made)]

    assert codes(operation="getOrder", parameters={"id": "{{ $json.id }}"}) == []
    assert codes(operation="getOrder") == ["invalid_parameter"]
    assert codes(operation="nothing") == ["unknown_operation"]
    assert codes(operation="x", document="swagger: '2.0'") == ["bad_document"]
    assert codes(operation="x", document=None) == ["missing_parameter"]


def test_only_what_surely_reads_is_safe() -> None:
    assert OpenApiCall.effect_of({"operation": "GET /a"}) is Effect.READ
    assert OpenApiCall.effect_of({"operation": "createOrder"}) is Effect.UNSAFE

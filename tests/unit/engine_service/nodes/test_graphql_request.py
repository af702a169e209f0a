"""`graphql.request` against a server on loopback."""

from typing import Any

import pytest

from engine_service.nodes.graphql_request import GraphQlRequest
from engine_service.sdk.node import Done, Effect, Failed, Outcome
from shared.workflow import JsonObject
from tests.support.http_server import Answer, Handler, Server, serve
from tests.support.run_node import allowing, given, jsons, run_action, services

ORDERS = "query ($after: String) { orders(after: $after) { nodes pageInfo } }"


async def ask(server: Server, **parameters: Any) -> Outcome:
    client = allowing(server.authority)
    try:
        what = given(GraphQlRequest, {"url": f"{server.url}/graphql", **parameters})
        return await run_action(GraphQlRequest, what, services(http=client))
    finally:
        await client.close()


def page(seen: Any) -> Answer:
    assert (seen.method, seen.path) == ("POST", "/graphql")
    assert seen.headers["content-type"] == "application/json"
    assert seen.json()["query"] == ORDERS
    at = int(seen.json()["variables"].get("after") or 0)
    info = {"hasNextPage": at < 2, "endCursor": str(at + 1)}
    return Answer.of_json({"data": {"orders": {"nodes": [{"id": at}], "pageInfo": info}}})


async def test_pages_follow_their_cursor() -> None:
    async with serve(page) as server:
        outcome = await ask(
            server, query=ORDERS, items_path="data.orders.nodes", variables={"first": 1},
            pagination={"page_info": "data.orders.pageInfo"},
        )  # fmt: skip
    assert jsons(outcome) == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert server.seen[1].json()["variables"] == {"first": 1, "after": "1"}
    assert "idempotency-key" not in server.seen[0].headers


async def test_no_more_pages_than_wanted() -> None:
    async with serve(page) as server:
        pages: JsonObject = {"page_info": "data.orders.pageInfo", "max_pages": 2}
        await ask(server, query=ORDERS, pagination=pages)
    assert len(server.seen) == 2


ERRORS: JsonObject = {
    "data": {"a": 1, "b": None},
    "errors": [{"message": "No such b", "path": ["b", 0]}, {"message": "And more"}],
}


def answering(answer: Any, status: int = 200, **headers: str) -> Handler:
    return lambda _: Answer.of_json(answer, status, **headers)


async def test_errors_fail_with_what_they_say() -> None:
    async with serve(answering(ERRORS)) as server:
        outcome = await ask(server, query="{ a b }")
    assert isinstance(outcome, Failed)
    assert outcome.code == "graphql_error"
    assert "No such b (at b.0); And more" in outcome.message


async def test_data_beside_errors_can_be_had() -> None:
    async with serve(answering(ERRORS)) as server:
        outcome = await ask(server, query="{ a b }", fail_on_errors=False)
    assert jsons(outcome) == [{"a": 1, "b": None}]


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (answering({"errors": [{"message": "no token"}]}, 401), "not_authenticated"),
        (answering({"errors": [{"message": "syntax"}]}, 400), "refused"),
        (answering(
            {"errors": [{"message": "slow", "extensions": {"code": "THROTTLED"}}]},
            retry_after="900"), "rate_limited"),
        (answering(["no GraphQL"]), "bad_response"),
    ],
)  # fmt: skip
async def test_refusals_have_codes(handler: Handler, code: str) -> None:
    async with serve(handler) as server:
        outcome = await ask(server, query="{ a }")
    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert len(server.seen) == 1


async def test_a_mutation_has_a_key_and_is_not_repeated() -> None:
    async with serve(answering({}, 502)) as server:
        outcome = await ask(server, query="mutation { pay { id } }")
    assert isinstance(outcome, Failed)
    assert not outcome.outcome_known
    assert [seen.headers["idempotency-key"] for seen in server.seen] == ["run_1:node:0"]


async def test_a_query_is_repeated() -> None:
    answers = [Answer(503, {"retry-after": "0"}), Answer.of_json({"data": {"a": 1}})]
    async with serve(lambda _: answers.pop(0)) as server:
        outcome = await ask(server, query="# about\nquery A { a }", operation_name="A")
    assert isinstance(outcome, Done)
    assert server.seen[1].json()["operationName"] == "A"


@pytest.mark.parametrize(
    ("query", "effect"),
    [
        ("{ a }", Effect.READ),
        (" # note\n query Q { a }", Effect.READ),
        ("mutation { a }", Effect.UNSAFE),
        ("query Q { a } mutation M { b }", Effect.UNSAFE),
        ("fragment F on T { a } query { a }", Effect.UNSAFE),
    ],
)
def test_only_what_is_surely_a_query_is_safe(query: str, effect: Effect) -> None:
    assert GraphQlRequest.effect_of({"query": query}) is effect

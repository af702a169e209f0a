"""`http.request` against a real server on loopback."""

import asyncio
import base64
import json

import pytest

from engine_service.nodes.http_request import HttpParameters, HttpRequestNode
from engine_service.sdk.node import Done, Failed, Outcome
from shared.workflow import JsonObject
from tests.support.http_server import Answer, Handler, Seen, Server, serve
from tests.support.run_node import Watched, allowing, given, jsons, run_action, services


async def ask(server: Server, *parameters: JsonObject, watched: Watched | None = None) -> Outcome:
    """Run the node with one item for each of the parameters."""
    client = allowing(server.authority)
    each = [{"url": server.url, **one} for one in parameters]
    what = given(HttpRequestNode, each, [{"json": {}} for _ in each])
    try:
        return await run_action(HttpRequestNode, what, services(http=client, watched=watched))
    finally:
        await client.close()


def failed(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


# --- sending


async def test_json_goes_out_and_comes_back() -> None:
    async with serve(lambda seen: Answer.of_json({"got": seen.json()}, 201)) as server:
        outcome = await ask(server, {"method": "POST", "body": {"a": [1, "ü"]}})
    assert jsons(outcome) == [{"got": {"a": [1, "ü"]}}]
    assert server.seen[0].headers["content-type"] == "application/json"


async def test_query_fields_join_those_of_the_address() -> None:
    async with serve() as server:
        url = f"{server.url}/p?a=1"
        query = {"b": "x y", "c": [1, 2], "d": None, "e": True}
        await ask(server, {"url": url, "query": query})
    assert server.seen[0].target == "/p?a=1&b=x%20y&c=1&c=2&e=true"


@pytest.mark.parametrize(
    ("parameters", "content_type", "body"),
    [
        ({"body": "[1]"}, "application/json", b"[1]"),
        ({"body": "no json"}, "application/json", b'"no json"'),
        ({"body_kind": "form", "body": {"a": "ü", "b": [1, 2]}},
         "application/x-www-form-urlencoded", b"a=%C3%BC&b=1&b=2"),
        ({"body_kind": "raw", "body": "<x/>", "content_type": "text/xml"}, "text/xml", b"<x/>"),
        ({"body_kind": "base64", "body": base64.b64encode(b"\0\1").decode()},
         "application/octet-stream", b"\0\1"),
    ],
)  # fmt: skip
async def test_a_body_is_sent_as_its_kind(
    parameters: JsonObject, content_type: str, body: bytes
) -> None:
    async with serve() as server:
        await ask(server, {"method": "POST", **parameters})
    assert server.seen[0].headers["content-type"] == content_type
    assert server.seen[0].body == body


async def test_a_multipart_form_has_fields_and_files() -> None:
    form = {
        'na"me': "v",
        "file": {"filename": "a.txt", "content_type": "text/plain", "base64": "aGk="},
    }
    async with serve() as server:
        await ask(server, {"method": "POST", "body_kind": "multipart", "body": form})
        await ask(server, {"method": "POST", "body_kind": "multipart", "body": form})
    body = server.seen[0].body
    assert b'name="na%22me"\r\n\r\nv\r\n' in body
    assert b'name="file"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\nhi\r\n' in body
    assert server.seen[1].body == body, "a repeat is the same request"


@pytest.mark.parametrize(
    "parameters",
    [
        {"body_kind": "form", "body": "a=1"},
        {"body_kind": "multipart", "body": [1]},
        {"body_kind": "base64", "body": "%%"},
        {"body_kind": "json", "body": float("nan")},
    ],
)
async def test_what_cannot_be_sent_is_a_bad_request(parameters: JsonObject) -> None:
    async with serve() as server:
        outcome = await ask(server, {"method": "POST", **parameters})
    assert failed(outcome).code == "bad_request"
    assert server.seen == []


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"kind": "basic", "username": "u", "password": "p:ü"}, "authorization",
         "Basic " + base64.b64encode("u:p:ü".encode()).decode()),
        ({"kind": "bearer", "token": "t"}, "authorization", "Bearer t"),
        ({"kind": "header", "name": "X-Key", "value": "k"}, "x-key", "k"),
    ],
)  # fmt: skip
async def test_a_header_proves_who_asks(auth: JsonObject, header: str, value: str) -> None:
    async with serve() as server:
        await ask(server, {"auth": auth})
    assert server.seen[0].headers[header] == value


async def test_a_query_field_proves_who_asks_and_is_not_told() -> None:
    auth = {"kind": "query", "name": "key", "value": "hush"}
    async with serve(lambda _: Answer(403, body=b"no")) as server:
        outcome = await ask(server, {"auth": auth})
    assert server.seen[0].query == {"key": "hush"}
    assert "hush" not in failed(outcome).message


async def test_only_what_changes_something_carries_a_key() -> None:
    async with serve() as server:
        await ask(server, {"method": "GET"})
        await ask(server, {"method": "DELETE"})
        await ask(server, {"method": "POST"}, {"method": "POST"})
        await ask(server, {"method": "POST", "headers": {"Idempotency-Key": "mine"}})
    keys = [seen.headers.get("idempotency-key") for seen in server.seen]
    assert keys[:2] == [None, "run_1:node:0"]
    assert sorted(map(str, keys[2:4])) == ["run_1:node:0:0", "run_1:node:0:1"]
    assert keys[4] == "mine"


# --- what comes back


ANSWERS: list[tuple[Answer, JsonObject, list[JsonObject]]] = [
    (Answer.of_json([{"a": 1}, 2]), {}, [{"a": 1}, {"data": 2}]),
    (Answer.of_json([1]), {"split_items": False}, [{"data": [1]}]),
    (Answer.of_json({"a": 1}), {"response": "text"}, [{"data": '{"a": 1}'}]),
    (Answer(200, {"content-type": "text/html; charset=latin-1"}, b"\xfc"), {}, [{"data": "ü"}]),
    (Answer(200, {}, b"[1]"), {"response": "json"}, [{"data": 1}]),
    (Answer(200, {}, b"\0"), {"response": "base64"}, [{"data": "AA=="}]),
    (Answer(204), {}, [{"data": ""}]),
    (Answer(200, {"content-type": "application/problem+json"}, b""), {}, [{}]),
]


@pytest.mark.parametrize(("answer", "parameters", "expected"), ANSWERS)
async def test_an_answer_becomes_items(
    answer: Answer, parameters: JsonObject, expected: list[JsonObject]
) -> None:
    async with serve(lambda _: answer) as server:
        outcome = await ask(server, parameters)
    assert jsons(outcome) == expected


async def test_the_whole_answer_can_be_had() -> None:
    async with serve(lambda _: Answer.of_json({"no": 1}, 404, x_a="1")) as server:
        outcome = await ask(server, {"full_response": True, "fail_on_status": False})
    [whole] = jsons(outcome)
    assert (whole["status"], whole["body"], whole["headers"]["x-a"]) == (404, {"no": 1}, "1")


async def test_an_answer_that_should_be_json_and_is_not_fails() -> None:
    async with serve(lambda _: Answer(body=b"<html>")) as server:
        outcome = await ask(server, {"response": "json"})
    assert failed(outcome).code == "bad_response"


# --- failing and trying again


async def test_a_refusal_fails_with_what_the_server_said() -> None:
    async with serve(lambda _: Answer(422, body=b"no such customer")) as server:
        failure = failed(await ask(server, {"url": f"{server.url}/o?key=hush"}))
    assert failure.code == "http_status"
    assert "422: no such customer" in failure.message
    assert "hush" not in failure.message
    assert not failure.retryable
    assert len(server.seen) == 1


def then_well(*first: Answer) -> Handler:
    answers = [*first]

    def answer(_: Seen) -> Answer:
        return answers.pop(0) if answers else Answer.of_json({"ok": True})

    return answer


async def test_a_busy_server_is_asked_again_when_it_says() -> None:
    busy = Answer(429, {"retry-after": "0"})
    watched = Watched()
    async with serve(then_well(busy, busy)) as server:
        outcome = await ask(server, {"method": "POST"}, watched=watched)
    assert jsons(outcome) == [{"ok": True}]
    assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 1
    assert [level for level, _ in watched.lines] == ["warning", "warning"]


async def test_what_may_have_happened_is_not_repeated_for_a_post() -> None:
    broken = Answer(500, {"retry-after": "0"})
    async with serve(then_well(broken)) as server:
        failure = failed(await ask(server, {"method": "POST"}))
        assert (failure.retryable, failure.outcome_known) == (True, False)
        assert len(server.seen) == 1
    async with serve(then_well(broken)) as server:
        assert jsons(await ask(server, {"method": "PUT"})) == [{"ok": True}]


async def test_tries_come_to_an_end_and_the_engine_is_told_how_long_to_wait() -> None:
    async with serve(lambda _: Answer(503, {"retry-after": "0"})) as server:
        failure = failed(await ask(server, {"retries": 2}))
    assert len(server.seen) == 3
    assert (failure.retryable, failure.retry_after) == (True, 0)


async def test_a_long_pause_is_left_to_the_engine() -> None:
    async with serve(lambda _: Answer(429, {"retry-after": "3600"})) as server:
        failure = failed(await ask(server, {}))
    assert (failure.retryable, failure.retry_after) == (True, 3600)
    assert len(server.seen) == 1


async def test_one_failing_item_does_not_take_the_others_along() -> None:
    def answer(seen: Seen) -> Answer:
        return Answer(400) if seen.path == "/1" else Answer.of_json({"path": seen.path})

    async with serve(answer) as server:
        outcome = await ask(server, *({"url": f"{server.url}/{n}"} for n in range(3)))
    assert jsons(outcome) == [{"path": "/0"}, {"path": "/2"}]
    assert isinstance(outcome, Done)
    assert [item["paired_item"] for item in outcome.outputs["main"]] == [0, 2]
    assert [(each.index, each.code) for each in outcome.failures] == [(1, "http_status")]


async def test_inner_addresses_are_refused() -> None:
    what = given(HttpRequestNode, {"url": "http://169.254.169.254/latest/meta-data/"})
    outcome = await run_action(HttpRequestNode, what, services())
    assert failed(outcome).code == "address_refused"


# --- many


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way: list[int] = [0, 0]
    enough = asyncio.Event()

    async def slow(_: Seen) -> Answer:
        under_way[0] += 1
        under_way[1] = max(under_way)
        if under_way[0] == 3:
            enough.set()
        await enough.wait()
        under_way[0] -= 1
        return Answer.of_json({})

    async with serve(slow) as server:
        outcome = await ask(server, *({"concurrency": 3} for _ in range(9)))
    assert len(jsons(outcome)) == 9
    assert under_way[1] == 3


async def test_batches_follow_one_another() -> None:
    async with serve(lambda _: Answer.of_json({})) as server:
        one = {"batch_size": 2, "batch_pause": 0}
        assert len(jsons(await ask(server, one, one, one, one, one))) == 5


# --- pages


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("link_header", {}),
        ("next_url", {"path": "next"}),
        ("cursor", {"path": "cursor", "parameter": "cursor"}),
        ("page", {"parameter": "page"}),
        ("offset", {"parameter": "offset", "start": 0, "page_size": 2}),
    ],
)
async def test_all_pages_are_read(kind: str, extra: JsonObject) -> None:
    def page(seen: Seen) -> Answer:
        query = seen.query
        by_number = int(query.get("page", "1")) - 1 + int(query.get("offset", "0")) // 2
        number = by_number + int(query.get("cursor", query.get("p", "0")))
        assert query["kept"] == "yes"
        data = [[{"n": 1}, {"n": 2}], [{"n": 3}]][number] if number < 2 else []
        following = f"/?kept=yes&p={number + 1}"
        body: JsonObject = {"data": data, "cursor": number + 1 if number < 1 else None}
        body["next"] = following if number < 1 else None
        links = {"link": f'<{following}>; rel="next"'} if number < 1 else {}
        return Answer(200, {"content-type": "application/json", **links}, json.dumps(body).encode())

    pagination = {"kind": kind, "items_path": "data", **extra}
    async with serve(page) as server:
        outcome = await ask(server, {"query": {"kept": "yes"}, "pagination": pagination})
    assert jsons(outcome) == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_pages_end_at_their_limit() -> None:
    async with serve(lambda _: Answer.of_json([1])) as server:
        outcome = await ask(server, {"pagination": {"kind": "page", "max_pages": 3}})
    assert len(jsons(outcome)) == len(server.seen) == 3


async def test_pages_do_not_lead_to_another_host() -> None:
    elsewhere = Answer.of_json({"next": "http://other.example/"})
    async with serve(lambda _: elsewhere) as server:
        outcome = await ask(server, {"pagination": {"kind": "next_url"}})
    assert failed(outcome).code == "bad_response"


# --- in words


def test_a_plan_tells_no_secrets() -> None:
    parameters = HttpParameters.model_validate(
        {"method": "POST", "url": "https://u:p@api.example.com/x?key=hush", "body": {}}
    )
    assert HttpRequestNode().plan(parameters) == "POST https://api.example.com/x?…"

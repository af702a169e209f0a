"""Bad input: a clear typed error each, never a 500, and nothing reaches the mesh."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from gateway.app import build_rest
from tests.support.scripted_mesh import ScriptedMesh

WITH_BODY = [
    (method, route.path_format.format(**dict.fromkeys(route.param_convertors, "1")))
    for route in build_rest().routes
    if isinstance(route, APIRoute) and route.body_field
    for method in sorted(route.methods or ())
]
# Pages for people without an account; a signed link, a password or nothing lets them in.
PAGES = ("/v1/answers/", "/v1/forms/", "/v1/chats/")
FOR_USERS = [
    (method, route.path_format.format(**dict.fromkeys(route.param_convertors, "1")))
    for route in build_rest().routes
    if isinstance(route, APIRoute)
    and route.path.startswith("/v1/")
    and not route.path.startswith(PAGES)
    for method in sorted(route.methods or ())
]


def is_problem(answer: httpx2.Response, *statuses: int) -> dict[str, Any]:
    """Check that an answer is a complete problem with one of the statuses; what it says."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"] == f"urn:flowloom:problem:{problem['code'].lower().replace('_', '-')}"
    assert problem["title"]
    assert problem["detail"]
    assert all(
        set(one) == {"pointer", "code", "message", "suggestion"} for one in problem["errors"]
    )
    return problem


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"a": }',
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1e',
        b"[" * 50_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
        b'{"name": "\\ud800"}',
        b"{} trailing",
    ],
    ids=["open", "hole", "bytes", "nan", "number", "deep", "deeper", "surrogate", "trailing"],
)
async def test_what_is_no_json_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, method: str, path: str, content: bytes
) -> None:
    headers = {"content-type": "application/json"}
    answer = await ada.request(method, path, content=content, headers=headers)
    problem = is_problem(answer, 400, 422)
    if answer.status_code == 400:
        assert problem["code"] == "MALFORMED_JSON"
    assert mesh.seen == []


@pytest.mark.parametrize(("method", "path"), [row for row in WITH_BODY if row[1].startswith("/v1")])
@pytest.mark.parametrize(
    "body", [{"unknown_field": 1}, [], "text", 7, {"definition": [], "text": {}, "decision": 1}]
)
async def test_what_has_the_wrong_shape_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, method: str, path: str, body: Any
) -> None:
    problem = is_problem(await ada.request(method, path, json=body), 422)
    assert problem["errors"]
    assert mesh.seen == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"definition": {}, "nam": "A"}, "/nam", "extra_forbidden"),
        ({"definition": {}, "name": 5}, "/name", "string_type"),
        ({"name": "A"}, "/definition", "missing"),
        ({"definition": {}, "name": "a\0b"}, "/name", "value_error"),
    ],
)
async def test_a_finding_says_where_and_what(
    ada: httpx2.AsyncClient, body: Any, pointer: str, code: str
) -> None:
    [finding] = is_problem(await ada.post("/v1/workflows", json=body), 422)["errors"]
    assert (finding["pointer"], finding["code"]) == (pointer, code)


async def test_a_misspelt_field_is_answered_with_the_right_one(ada: httpx2.AsyncClient) -> None:
    answer = await ada.post("/v1/workflows", json={"definition": {}, "descripton": ""})
    [finding] = answer.json()["errors"]
    assert finding["suggestion"] == "Did you mean description?"


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/workflows?page_size=-1", "?page_size"),
        ("/v1/workflows?page_size=many", "?page_size"),
        ("/v1/workflows?page_size=99999999999999999999", "?page_size"),
        ("/v1/workflows?pagesize=3", "?pagesize"),
        ("/v1/workflows/wf_1?verbose=1", "?verbose"),
        ("/v1/runs?status=sleeping", "?status"),
        ("/v1/runs/run_1?view=everything", "?view"),
        ("/v1/runs/run_1/events?after=-1", "?after"),
        ("/v1/node-types:search", "?query"),
        ("/v1/workflows?name_contains=%00", "?name_contains"),
    ],
)
async def test_a_bad_parameter_is_named(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, path: str, pointer: str
) -> None:
    problem = is_problem(await ada.get(path), 422)
    assert [finding["pointer"] for finding in problem["errors"]] == [pointer]
    assert mesh.seen == []


@pytest.mark.parametrize("wait", ["30", "-1s", "61s", "1m", "", "1e3s", "s"])
async def test_a_wait_is_seconds_up_to_a_minute(ada: httpx2.AsyncClient, wait: str) -> None:
    answer = await ada.post("/v1/workflows/wf_1:run", params={"wait": wait})
    assert is_problem(answer, 422)["errors"][0]["pointer"] == "?wait"


@pytest.mark.parametrize(
    "path",
    ["/v1/workflows/1/versions/0", "/v1/workflows/1/versions/x", "/v1/workflows/1/versions/9e9"],
)
async def test_a_version_is_a_number_from_one(ada: httpx2.AsyncClient, path: str) -> None:
    is_problem(await ada.get(path), 422)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "٣"])
async def test_a_last_event_id_is_a_number(ada: httpx2.AsyncClient, last: str) -> None:
    headers = {"last-event-id": last.encode()}
    answer = await ada.get("/v1/runs/run_1/events", headers=headers)  # pyright: ignore[reportArgumentType] (bytes, for signs outside of ASCII)
    is_problem(answer, 400)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
async def test_a_body_must_be_called_json(ada: httpx2.AsyncClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    answer = await ada.post("/v1/workflows", content=b'{"definition": {}}', headers=headers)
    assert is_problem(answer, 415)["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def in_chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65_536 + 1):
        yield b" " * 65_536


@pytest.mark.parametrize("says_its_length", [True, False])
@pytest.mark.parametrize("path", ["/v1/workflows", "/v1/hooks/t/hook", "/auth/v1/signup"])
async def test_a_body_that_is_too_large_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, path: str, says_its_length: bool
) -> None:
    size = 10 * 1024 * 1024 + 1
    content = b" " * size if says_its_length else in_chunks(size)
    headers = {"content-type": "application/json"}
    answer = await ada.post(path, content=content, headers=headers)
    assert is_problem(answer, 413)["code"] == "BODY_TOO_LARGE"
    assert mesh.seen == []


async def test_the_largest_body_passes(ada: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    body = json.dumps({"definition": {"x": ""}})
    padded = body.replace('""', '"' + "x" * (10 * 1024 * 1024 - len(body)) + '"')
    headers = {"content-type": "application/json"}
    answer = await ada.post("/v1/workflows", content=padded, headers=headers)
    assert answer.status_code == 201, answer.text
    assert mesh.count("CreateWorkflow") == 1


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/workflows", "/v1/workflows/", "/v1/workflows/a/b/c", "/v1/%00", "//"]
)
async def test_an_unknown_path_is_not_found(ada: httpx2.AsyncClient, path: str) -> None:
    assert is_problem(await ada.get(path), 404)["code"] == "PATH_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/workflows"), ("GET", "/v1/workflows/wf_1:run"), ("POST", "/health")],
)
async def test_a_wrong_method_is_told_with_the_right_ones(
    ada: httpx2.AsyncClient, method: str, path: str
) -> None:
    answer = await ada.request(method, path)
    assert is_problem(answer, 405)["code"] == "METHOD_NOT_ALLOWED"
    assert answer.headers["allow"]


@pytest.mark.parametrize(("method", "path"), FOR_USERS)
async def test_nobody_gets_in_without_a_token(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, method: str, path: str
) -> None:
    answer = await anybody.request(method, path, json={})
    assert is_problem(answer, 401)["code"] == "TOKEN_MISSING"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert mesh.seen == []


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer x", "bearer a.b.c", "Basic dTpw", "x" * 5000, "Bearer \xe9"],
)
async def test_a_bad_token_is_told_apart_from_none(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, authorization: str
) -> None:
    headers = {"authorization": authorization.encode("latin-1")}
    answer = await anybody.get("/v1/runs", headers=headers)  # pyright: ignore[reportArgumentType] (bytes, for signs outside of ASCII)
    assert is_problem(answer, 401)["code"] == "TOKEN_INVALID"
    assert "invalid_token" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("depth", [200, 300, 900, 1015])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/workflows"), ("PATCH", "/v1/workflows/wf_1")]
)
async def test_a_deep_document_passes_or_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, method: str, path: str, depth: int
) -> None:
    content = b'{"definition": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    headers = {"content-type": "application/json"}
    answer = await ada.request(method, path, content=content, headers=headers)
    if not answer.is_success:
        is_problem(answer, 400, 422)

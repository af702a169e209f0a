"""`http.request`: asks any HTTP API."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.credentials import HTTP_TYPES
from engine_service.sdk.blob import UNKNOWN_TYPE
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    BodyStream,
    Credential,
    Done,
    Effect,
    Failed,
    HttpRequest,
    HttpResponse,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.field_types import to_text
from engine_service.web.answers import AnswerKind, read_answer, retry_after
from engine_service.web.files import Download, file_body, form_body, sends_files
from engine_service.web.outgoing_bodies import (
    BodyKind,
    Unsendable,
    encode,
    with_query,
    without_query,
)
from engine_service.web.pagination import Pagination
from shared.workflow import Item, JsonObject

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
REPEATABLE = SAFE | {"PUT", "DELETE"}
LONGEST_PAUSE_SECONDS = 60.0
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
# The server says that it did not begin to work on these.
_NOT_BEGUN = frozenset({425, 429, 503})
_SHOWN_CHARACTERS = 500
_WRITE_ONLY: Any = {"writeOnly": True}
_SECRET_NAMES: Any = {"x-secret-names": True}
"""Of these fields, those with a telling name hold secrets."""


class Auth(BaseModel):
    """How the request proves who sends it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["none", "basic", "bearer", "header", "query"] = Field(
        default="none", description="The way; each uses the fields named for it"
    )
    username: str = Field(default="", description="For basic")
    password: str = Field(default="", json_schema_extra=_WRITE_ONLY, description="For basic")
    token: str = Field(default="", json_schema_extra=_WRITE_ONLY, description="For bearer")
    name: str = Field(
        default="x-api-key", description="For header and query: the header's or field's name"
    )
    value: str = Field(
        default="", json_schema_extra=_WRITE_ONLY, description="For header and query: the secret"
    )


class HttpParameters(NodeParameters):
    """What to ask, of whom, and what to make of the answer."""

    method: Method = Field(default="GET", description="The HTTP method")
    url: str = Field(min_length=1, max_length=8_000, description="The address, http or https")
    query: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        json_schema_extra=_SECRET_NAMES,
        description="Fields to add to the query; a list repeats its name, null leaves one out",
    )
    headers: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        json_schema_extra=_SECRET_NAMES,
        description="Headers to send; null leaves one out",
    )
    body_kind: BodyKind | None = Field(
        default=None,
        description="How `body` is sent; `json` when there is a body and nothing is said here",
    )
    body: Any = Field(
        default=None,
        description="What to send: any value for json, an object for form and multipart (a file "
        "is `{filename, content_type, base64}`, or `{binary: name}` for one of the item's), a text "
        "for raw and base64, for file the name of one of the item's files",
    )
    content_type: str = Field(default="", description="For json, raw and base64: another type")
    auth: Auth = Field(
        default_factory=Auth,
        description="How to authenticate with what stands here; a credential is the better place",
    )
    response: AnswerKind | Literal["file"] = Field(
        default="auto",
        description="What the answer becomes; `auto` reads JSON as such and the rest as text, "
        "`file` keeps it as a file of the item",
    )
    file_field: str = Field(
        default="data",
        min_length=1,
        max_length=100,
        description="For `file`: the file's name in the item's `binary`",
    )
    full_response: bool = Field(
        default=False, description="Give `{status, headers, body}` instead of the body alone"
    )
    split_items: bool = Field(
        default=True, description="Whether a list in the answer becomes one item per member"
    )
    fail_on_status: bool = Field(
        default=True, description="Whether a status of 400 and above fails the item"
    )
    timeout: float = Field(
        default=30.0, gt=0, le=600, description="Seconds for one request, redirects included"
    )
    follow_redirects: bool = Field(default=True, description="Whether redirects are followed")
    verify_tls: bool = Field(
        default=True, description="Whether the server's certificate must be valid"
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often to try again after failures that may pass, where that is safe",
    )
    concurrency: int = Field(
        default=5, ge=1, le=50, description="How many requests are under way at once"
    )
    batch_size: int = Field(
        default=0, ge=0, le=10_000, description="Items before a pause of `batch_pause`; 0 never"
    )
    batch_pause: float = Field(
        default=1.0, ge=0, le=300, description="Seconds of pause between batches"
    )
    pagination: Pagination | None = Field(
        default=None, description="How to get the further pages of the answer, if there are any"
    )


class HttpRequestNode(ActionNode[HttpParameters]):
    """Sends an HTTP request for each item and gives back what came.

    **Sending.** `query`, `headers` and `body` take expressions. Bodies go as JSON unless
    `body_kind` says form, multipart, raw or base64.

    **Who asks.** A credential of the node proves it: it stays sealed until the request is sent, and
    goes to the hosts it is bound to, not along redirects to others. `auth` does the same with
    secrets that stand in the workflow, for all who can read it.

    **Files.** `response: file` streams the answer into a file of the item, of any size that the
    engine allows; `body_kind: file` and `{binary: name}` in a multipart form stream one back.

    **What comes back.** JSON is read; a list gives one item per member, a text gives
    `{"data": …}`. `full_response` gives `{status, headers, body}`. A status of 400 and above
    fails the item, unless `fail_on_status` is off.

    **Pages.** `pagination` follows Link headers, URLs or cursors in the body, page numbers or
    offsets, and gives the items of all pages.

    **Failures and repeats.** Requests that change something carry an `Idempotency-Key`, the same
    for every try, so that a server that honours it acts once. 408, 425, 429, 5xx and lost
    connections are tried again (waiting as `Retry-After` says) if the method can be repeated, or
    if the server had not begun.

    **Where it may go.** Private, local and cloud-internal addresses are refused in every spelling
    and at every redirect, unless the operator names them in `ENGINE_ALLOWED_HOSTS`.
    """

    Parameters = HttpParameters
    type = "http.request"
    title = "HTTP request"
    effect = Effect.KEYED
    credential_types = HTTP_TYPES
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://api.example.com/users", "query": {"active": True}},
        {
            "method": "POST",
            "url": "https://api.example.com/orders",
            "body": {"customer": "{{ $json.customer }}", "total": "{{ $json.total }}"},
            "timeout": 10,
        },
        {
            "url": "https://api.example.com/items",
            "pagination": {"kind": "cursor", "path": "meta.next", "parameter": "cursor",
                           "items_path": "data"},
        },
    )  # fmt: skip
    keywords = (
        "http", "request", "api", "call", "fetch", "get", "post", "url", "rest", "download", "web",
        "endpoint", "send to", "notify", "message", "curl", "请求", "接口", "调用", "获取", "网址",
        "发送", "通知", "下载",
    )  # fmt: skip

    async def run(self, given: NodeInput[HttpParameters], services: Services) -> Outcome:
        credential = await services.credentials.find(*HTTP_TYPES)
        count = len(given.items)
        calls = [
            _Call(
                index,
                given.items[index],
                given.parameters_for(index),
                _key(services, index, count),
                credential,
            )
            for index in range(count)
        ]
        answers: list[list[Item] | Failed] = []
        for batch in _batches(calls):
            if answers:
                await asyncio.sleep(batch[0].parameters.batch_pause)
            answers.extend(await _together(batch, services))
        return _outcome(answers)

    def plan(self, parameters: HttpParameters) -> str:
        return f"{parameters.method} {without_query(parameters.url)}"

    def address(self, parameters: HttpParameters) -> str:
        return parameters.url

    def sample(self, given: NodeInput[HttpParameters]) -> Done:
        return Done({MAIN: [_sample(given.parameters_for(i), i) for i in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: HttpParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.method in SAFE and parameters.body is not None:
            return [("/body", "not_used", f"A {parameters.method} request should have no body.")]
        return []


@dataclass(frozen=True, slots=True)
class _Call:
    """One item's request: its index, its parameters, the key of its effect, on whose behalf."""

    index: int
    item: Item
    parameters: HttpParameters
    key: str
    credential: Credential | None
    body: bytes | BodyStream | None = None
    content_type: str = ""


def _key(services: Services, index: int, count: int) -> str:
    return services.idempotency_key if count == 1 else f"{services.idempotency_key}:{index}"


def _batches(calls: Sequence[_Call]) -> list[Sequence[_Call]]:
    if not calls:
        return []
    size = calls[0].parameters.batch_size or len(calls)
    return [calls[start : start + size] for start in range(0, len(calls), size)]


async def _together(calls: Sequence[_Call], services: Services) -> list[list[Item] | Failed]:
    """What came of each call, in their order; cancelling cancels all of them."""
    if len(calls) == 1:
        return [await _attempt(calls[0], services)]
    slots = asyncio.Semaphore(calls[0].parameters.concurrency)

    async def in_turn(call: _Call) -> list[Item] | Failed:
        async with slots:
            return await _attempt(call, services)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(call)) for call in calls]
    return [task.result() for task in tasks]


async def _attempt(call: _Call, services: Services) -> list[Item] | Failed:
    try:
        call = await _with_body(call, services)
        if call.parameters.response == "file":
            return [await _file(call, services)]
        return await _pages(call, services)
    except NodeError as error:
        return error.failure
    except Unsendable as error:
        return Failed("bad_request", str(error))


def _outcome(answers: Sequence[list[Item] | Failed]) -> Outcome:
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    if failed and len(failed) == len(answers):
        # With nothing done there is nothing to keep, and the engine can repeat the whole node.
        return failed[0]
    items: list[Item] = []
    failures: list[ItemFailure] = []
    for index, answer in enumerate(answers):
        if isinstance(answer, Failed):
            failures.append(ItemFailure(index, answer.code, answer.message))
        else:
            items.extend(answer)
    return Done({MAIN: items}, failures)


async def _with_body(call: _Call, services: Services) -> _Call:
    """The call with its body ready to be sent, for every page and try."""
    parameters, blobs = call.parameters, services.blobs
    kind: BodyKind = parameters.body_kind or ("none" if parameters.body is None else "json")
    if kind == "file":
        name = "data" if parameters.body is None else parameters.body
        body, media_type = await file_body(name, call.item, blobs)
        return replace(call, body=body, content_type=parameters.content_type or media_type)
    if kind == "multipart" and sends_files(parameters.body):
        body, media_type = await form_body(cast("JsonObject", parameters.body), call.item, blobs)
        return replace(call, body=body, content_type=media_type)
    encoded = encode(kind, parameters.body, parameters.content_type)
    return replace(call, body=encoded.body, content_type=encoded.content_type)


async def _file(call: _Call, services: Services) -> Item:
    """The item with the answer as one more file."""
    download = Download(services.blobs, services.emit)
    request = replace(_request(call), take=download.take)
    response = await _persist(request, call, services)
    json: JsonObject = {}
    if call.parameters.full_response:
        json = {"status": response.status, "headers": dict(response.headers)}
    files: JsonObject = {**(call.item.get("binary") or {})}
    files[call.parameters.file_field] = download.whole.reference()
    return {"json": json, "binary": files, "paired_item": call.index}


async def _pages(call: _Call, services: Services) -> list[Item]:
    """The items of every page that one call's answer has."""
    parameters, pagination = call.parameters, call.parameters.pagination
    request = _request(call)
    if pagination is None:
        response = await _persist(request, call, services)
        return _items(parameters, response, read_answer(_kind(parameters), response), call.index)
    items: list[Item] = []
    url: str | None = pagination.first(request.url)
    for number in range(pagination.max_pages):
        if url is None:
            break
        key = call.key if number == 0 else f"{call.key}:{number}"
        paged = _request(replace(call, key=key), url)
        response = await _persist(paged, call, services)
        body = read_answer(_kind(parameters), response)
        members = pagination.items(body)
        shown = body if members is None or parameters.full_response else members
        items.extend(_items(parameters, response, shown, call.index))
        url = pagination.following(url, number, response, body)
    return items


async def _persist(request: HttpRequest, call: _Call, services: Services) -> HttpResponse:
    """Send a request, and again after failures that may pass.

    Raises:
        NodeError: It failed for good.
    """
    parameters = call.parameters
    for tries_left in range(parameters.retries, -1, -1):
        try:
            response = await services.http.send(request)
        except NodeError as error:
            failure = error.failure
            again = failure.retryable and (failure.outcome_known or request.method in REPEATABLE)
        else:
            if response.status < 400 or not parameters.fail_on_status:
                return response
            failure = _failure_of(response, request)
            again = failure.retryable and (
                response.status in _NOT_BEGUN or request.method in REPEATABLE
            )
        pause = _pause(failure, parameters.retries - tries_left)
        if not again or not tries_left or pause > LONGEST_PAUSE_SECONDS:
            raise NodeError(failure)
        await services.log("warning", f"{failure.message} Trying again in {pause:g} s.")
        await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _pause(failure: Failed, tries: int) -> float:
    return failure.retry_after if failure.retry_after is not None else min(2.0**tries, 30.0)


def _failure_of(response: HttpResponse, request: HttpRequest) -> Failed:
    shown = response.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
    return Failed(
        "http_status",
        f"{request.method} {without_query(request.url)} answered {response.status}"
        + (f": {shown}" if shown else "."),
        retryable=response.status in _TEMPORARY,
        retry_after=retry_after(response),
        outcome_known=response.status < 500 or response.status in _NOT_BEGUN,
    )


def _request(call: _Call, url: str | None = None) -> HttpRequest:
    parameters = call.parameters
    headers = {"accept": "application/json, */*;q=0.8"}
    if call.content_type:
        headers["content-type"] = call.content_type
    if parameters.method not in SAFE:
        headers["idempotency-key"] = call.key
    headers.update(
        (name.lower(), to_text(value))
        for name, value in parameters.headers.items()
        if value is not None
    )
    headers.update(_proof(parameters.auth))
    return HttpRequest(
        parameters.method,
        url or with_query(parameters.url, {**parameters.query, **_query_proof(parameters.auth)}),
        headers,
        call.body,
        timeout=parameters.timeout,
        follow_redirects=parameters.follow_redirects,
        verify_tls=parameters.verify_tls,
        secret_headers=(parameters.auth.name,) if parameters.auth.kind == "header" else (),
        credential=call.credential,
    )


def _proof(auth: Auth) -> Mapping[str, str]:
    match auth.kind:
        case "basic":
            pair = f"{auth.username}:{auth.password}".encode()
            return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
        case "bearer":
            return {"authorization": f"Bearer {auth.token}"}
        case "header":
            return {auth.name.lower(): auth.value}
        case "query" | "none":
            return {}


def _query_proof(auth: Auth) -> Mapping[str, str]:
    return {auth.name: auth.value} if auth.kind == "query" else {}


def _items(parameters: HttpParameters, response: HttpResponse, body: Any, index: int) -> list[Item]:
    """The items that an answer gives."""
    if parameters.full_response:
        whole = {"status": response.status, "headers": dict(response.headers), "body": body}
        return [{"json": whole, "paired_item": index}]
    split = isinstance(body, list) and parameters.split_items
    members: list[Any] = cast("list[Any]", body) if split else [body]
    return [{"json": _as_object(member), "paired_item": index} for member in members]


def _kind(parameters: HttpParameters) -> AnswerKind:
    return "auto" if parameters.response == "file" else parameters.response


def _as_object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {"data": value}


def _sample(parameters: HttpParameters, index: int) -> Item:
    """An answer such as APIs give: what was sent, with an id."""
    if parameters.response == "file":
        file = {"id": "sample", "file_name": "file", "media_type": UNKNOWN_TYPE, "size": 0}
        return {"json": {}, "binary": {parameters.file_field: file}, "paired_item": index}
    sent: Any = parameters.body
    body: JsonObject = {"id": "sample"}
    if isinstance(sent, dict):
        body |= cast("JsonObject", sent)
    if parameters.full_response:
        body = {"status": 200, "headers": {"content-type": "application/json"}, "body": body}
    return {"json": body, "paired_item": index}

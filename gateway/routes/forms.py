"""Forms: the page of a form that begins runs, and what it sends.

A browser gets pages, a program that asks for JSON gets the engine's answer as it is. What a
workflow answers itself gets an origin of its own, as at hooks.
"""

import secrets
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.pages.fields import Sent, fields_of, read_body
from gateway.pages.hosted import Stranger, ask_for_password, open_page, send
from gateway.pages.render import markdown, notice, page
from gateway.pages.route import PageRoute
from gateway.parts import ClientsPart
from shared.errors import Violation
from shared.pb.flowloom.engine.v1.trigger_service_pb2 import DOOR_FORM, FireWebhookResponse

router = APIRouter(prefix="/v1/forms", route_class=PageRoute, include_in_schema=False)

_SANDBOX = "sandbox allow-forms allow-scripts"
_REFUSED, _LEADS_ON = 422, range(300, 400)
_OURS = frozenset({"content-type", "location"})


@router.get("/{path:path}")
async def open_form(path: str, request: Request, clients: ClientsPart) -> Response:
    try:
        return _form(await open_page(clients, request, DOOR_FORM, path))
    except Stranger:
        return ask_for_password()


@router.post("/{path:path}")
async def send_form(path: str, request: Request, clients: ClientsPart) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return _as_it_is(await send(clients, request, DOOR_FORM, path))
    sent = read_body(await request.body(), request.headers.get("content-type", ""))
    try:
        shown = await open_page(clients, request, DOOR_FORM, path)
    except Stranger:
        return ask_for_password()
    answer = await send(clients, request, DOOR_FORM, path)
    if answer.status == _REFUSED and not answer.run_id:
        return _form(shown, sent, orjson.loads(answer.body).get("errors", []))
    if answer.status >= 400 and not answer.run_id:
        return notice("The form was not taken", "Go back and try again.", status=answer.status)
    if shown["response_mode"] == "respond_node" and answer.status != 202:
        return _as_it_is(answer)
    return _thanks(shown, answer)


def _form(
    shown: dict[str, Any], sent: Sent | None = None, errors: list[dict[str, str]] | None = None
) -> Response:
    wrong = [Violation(one["pointer"], one["code"], one["message"]) for one in errors or ()]
    fields = fields_of(shown["schema"], sent, wrong)
    told = any(one.error for one in fields)
    submission = (sent or {}).get("submission", [""])[0] or secrets.token_urlsafe(18)
    return page(
        "form.html",
        shown["title"],
        200 if errors is None else _REFUSED,
        message=markdown(shown["description"]),
        fields=fields,
        problem="" if errors is None or told else "The form does not fit.",
        button=shown["button"],
        submission=submission,
    )


def _thanks(shown: dict[str, Any], answer: FireWebhookResponse) -> Response:
    if answer.status >= 500:
        return notice("Something went wrong", "Your answers have arrived.", status=502)
    result = ""
    if shown["response_mode"] == "last_node" and answer.status == 200:
        result = orjson.dumps(orjson.loads(answer.body), option=orjson.OPT_INDENT_2).decode()
    return page("thanks.html", shown["title"], thanks=markdown(shown["thanks"]), result=result)


def _as_it_is(answer: FireWebhookResponse) -> Response:
    """What a workflow says itself, kept away from our origin."""
    headers = {
        header.name.lower(): header.value
        for header in answer.headers
        if header.name.lower() in _OURS and "\n" not in header.value and "\r" not in header.value
    }
    headers["content-security-policy"] = _SANDBOX
    if answer.run_id:
        headers["flowloom-run-id"] = answer.run_id
    # A browser that is led on after a form asks for the next page by GET.
    status = 303 if answer.status in _LEADS_ON and "location" in headers else answer.status
    return Response(answer.body, status if status >= 200 else 502, headers)

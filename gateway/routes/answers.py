"""Answers: the page that a signed link opens, for people without an account.

Opening it decides nothing, for mail programs follow links. What decides is the page's own form,
with a ticket that only the page holds.
"""

from dataclasses import replace
from datetime import UTC

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import Clients
from gateway.pages.fields import Sent, fields_of, own_fields, read_body
from gateway.pages.render import markdown, notice, page
from gateway.pages.route import PageRoute
from gateway.parts import ClientsPart
from shared.errors import AppError, Conflict, InvalidInput
from shared.identity import Principal, Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import approval_pb2, approval_service_pb2
from shared.rpc import call

router = APIRouter(prefix="/v1/answers", route_class=PageRoute, include_in_schema=False)

# The link names the tenant, and the engine checks the link.
_BEARER = Principal(tenant_id="", subject="link", role=Role.VIEWER)
_DECISIONS = {
    "approve": approval_pb2.DECISION_APPROVE,
    "reject": approval_pb2.DECISION_REJECT,
    "submit": approval_pb2.DECISION_SUBMIT,
}
_ENDS = {
    approval_pb2.APPROVAL_STATUS_APPROVED: "It was approved",
    approval_pb2.APPROVAL_STATUS_REJECTED: "It was rejected",
    approval_pb2.APPROVAL_STATUS_SUBMITTED: "The form was submitted",
    approval_pb2.APPROVAL_STATUS_EXPIRED: "Nobody answered in time",
    approval_pb2.APPROVAL_STATUS_CANCELLED: "Its run has ended, so nobody needs an answer any more",
}
_GONE = 410
_VOID = {
    "LINK_EXPIRED": ("The time to answer is over", _GONE),
    "LINK_VOID": ("Somebody else answers this now", _GONE),
    "APPROVAL_EXPIRED": ("The time to answer is over", _GONE),
    "APPROVAL_CANCELLED": ("Nobody needs an answer any more", _GONE),
    "ALREADY_ANSWERED": ("This was answered already", 409),
}


@router.get("/{token}")
async def open_approval_link(token: str, clients: ClientsPart) -> Response:
    with call.use(_as_bearer()):
        try:
            opened = await _open(clients, token)
        except Conflict as error:
            return _void(error)
    return _question(opened, 200) if opened.ticket else _ended(opened.approval)


@router.post("/{token}")
async def answer_approval_link(token: str, request: Request, clients: ClientsPart) -> Response:
    sent = read_body(await request.body(), request.headers.get("content-type", ""))
    decision = _only(sent, "decision")
    with call.use(_as_bearer()):
        try:
            answered = await clients.approvals.AnswerApprovalLink(
                approval_service_pb2.AnswerApprovalLinkRequest(
                    token=token,
                    ticket=_only(sent, "ticket"),
                    decision=_DECISIONS.get(decision, approval_pb2.DECISION_UNSPECIFIED),
                    comment=_only(sent, "comment"),
                    fields=Document(json=own_fields(sent)),
                )
            )
        except (InvalidInput, Conflict) as error:
            if isinstance(error, Conflict) and error.code != "PAGE_EXPIRED":
                return _void(error)
            return _again(await _open(clients, token), sent, error)
    return _thanks(answered.approval, decision)


async def _open(clients: Clients, token: str) -> approval_service_pb2.OpenApprovalLinkResponse:
    request = approval_service_pb2.OpenApprovalLinkRequest(token=token)
    return await clients.approvals.OpenApprovalLink(request)


def _as_bearer() -> call.Call:
    return replace(call.current(), principal=_BEARER)


def _again(
    opened: approval_service_pb2.OpenApprovalLinkResponse,
    sent: Sent,
    error: InvalidInput | Conflict,
) -> Response:
    """The page once more, with what was sent and what is wrong with it."""
    if not opened.ticket:
        return _ended(opened.approval)
    status = 409 if isinstance(error, Conflict) else 422
    return _question(opened, status, sent, error)


def _question(
    opened: approval_service_pb2.OpenApprovalLinkResponse,
    status: int,
    sent: Sent | None = None,
    error: AppError | None = None,
) -> Response:
    asked = opened.approval
    schema = orjson.loads(asked.form_schema.json) if asked.form_schema.json else None
    fields = fields_of(schema, sent, error.violations if error else ())
    expires = asked.expire_time.ToDatetime(UTC) if asked.HasField("expire_time") else None
    return page(
        "question.html",
        asked.title,
        status,
        approver=opened.approver,
        message=markdown(asked.message),
        fields=fields,
        problem="" if error is None or any(one.error for one in fields) else error.message,
        ticket=opened.ticket,
        comment="" if sent is None else _only(sent, "comment"),
        is_form=asked.kind == approval_pb2.APPROVAL_KIND_FORM,
        expires=f"{expires:%Y-%m-%d %H:%M} UTC" if expires else "",
    )


def _thanks(asked: approval_pb2.Approval, decision: str) -> Response:
    said = {"approve": "You approved", "reject": "You rejected"}.get(decision, "You filled in")
    lines = [f"{said}: {asked.title}"]
    if asked.status == approval_pb2.APPROVAL_STATUS_PENDING:
        lines.append("Others are asked as well; it is not decided yet.")
    return notice("Thank you", *lines, "You can close this page.")


def _ended(asked: approval_pb2.Approval) -> Response:
    how = _ENDS.get(asked.status, "It is over")
    by = f" by {asked.answered_by}" if asked.answered_by else ""
    at = asked.answer_time.ToDatetime(UTC) if asked.HasField("answer_time") else None
    when = f", {at:%Y-%m-%d %H:%M} UTC" if at else ""
    answered = asked.answered_by != ""
    title = "This was answered already" if answered else "Nobody needs an answer any more"
    return notice(title, asked.title, f"{how}{by}{when}.", status=200 if answered else _GONE)


def _void(error: Conflict) -> Response:
    title, status = _VOID.get(error.code, (error.message, 409))
    return notice(title, "There is nothing left to do for you here.", status=status)


def _only(sent: Sent, name: str) -> str:
    """A field of the page's own; one that is there twice says nothing."""
    texts = sent.get(name, [])
    return texts[0] if len(texts) == 1 else ""

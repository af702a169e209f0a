"""Approvals: what runs ask of people. An answer and the waking of its run are one transaction."""

from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.asking.answering import Said, take_answer, too_late
from engine_service.asking.delegating import HandingOver, hand_over
from engine_service.asking.links import Bearer, Links
from engine_service.store import answers, approvals, notices
from engine_service.store.approvals import StoredApproval
from engine_service.values.filled import read_fields
from engine_service.values.votes import part_of
from engine_service.wire import approvals as wire
from engine_service.wire.approvals import Story, to_approval_for_bearer
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, Violation
from shared.identity import Principal, Role
from shared.ids import is_id
from shared.pages import read_page
from shared.pb.flowloom.common.v1 import document_pb2
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
)
from shared.rpc import call
from shared.workflow import JsonObject

_DECISIONS = {
    approval_pb2.DECISION_APPROVE: "approve",
    approval_pb2.DECISION_REJECT: "reject",
    approval_pb2.DECISION_SUBMIT: "submit",
}


class ApprovalServicer(approval_service_pb2_grpc.ApprovalServiceServicer):
    """flowloom.engine.v1.ApprovalService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, links: Links, clock: Clock) -> None:
        self._database = database
        self._links = links
        self._clock = clock

    async def ListApprovals(
        self, request: approval_service_pb2.ListApprovalsRequest, context: Any
    ) -> approval_service_pb2.ListApprovalsResponse:
        caller = call.caller()
        status = wire.status_name(request.status)
        page = read_page(request.page_size, request.page_token, f"{status} {request.run_id}")
        if request.run_id and not is_id("run", request.run_id):
            return approval_service_pb2.ListApprovalsResponse()
        async with self._database.transaction(caller.tenant_id) as connection:
            rows = await approvals.list_approvals(connection, page, status, request.run_id)
        kept, token = page.cut(rows, lambda approval: approval.id)
        return approval_service_pb2.ListApprovalsResponse(
            approvals=[wire.to_approval(approval) for approval in kept], next_page_token=token
        )

    async def GetApproval(
        self, request: approval_service_pb2.GetApprovalRequest, context: Any
    ) -> approval_service_pb2.GetApprovalResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            approval = await approvals.get_approval(connection, request.approval_id)
            story = await _story(connection, approval)
        return approval_service_pb2.GetApprovalResponse(approval=wire.to_approval(approval, story))

    async def AnswerApproval(
        self, request: approval_service_pb2.AnswerApprovalRequest, context: Any
    ) -> approval_service_pb2.AnswerApprovalResponse:
        caller = call.caller()
        decision = _read_decision(request.decision)
        form = _read_object(request.form, "form")
        async with self._database.transaction(caller.tenant_id) as connection:
            asked = await approvals.get_approval(connection, request.approval_id)
            part = _part_of_caller(asked, caller)
            who = caller.email or caller.subject
            said = Said(part, who, decision, request.comment, form, "api")
            answered = await take_answer(connection, asked, said, self._clock.now())
            story = await _story(connection, answered)
        return approval_service_pb2.AnswerApprovalResponse(
            approval=wire.to_approval(answered, story)
        )

    async def DelegateApproval(
        self, request: approval_service_pb2.DelegateApprovalRequest, context: Any
    ) -> approval_service_pb2.DelegateApprovalResponse:
        caller = call.caller()
        wish = HandingOver(caller, request.delegate, request.approver, request.comment)
        async with self._database.transaction(caller.tenant_id) as connection:
            asked = await approvals.get_approval(connection, request.approval_id)
            changed = await hand_over(connection, asked, wish, self._clock.now())
            story = await _story(connection, changed)
        return approval_service_pb2.DelegateApprovalResponse(
            approval=wire.to_approval(changed, story)
        )

    async def OpenApprovalLink(
        self, request: approval_service_pb2.OpenApprovalLinkRequest, context: Any
    ) -> approval_service_pb2.OpenApprovalLinkResponse:
        bearer = self._links.read(request.token)
        async with self._database.transaction(bearer.tenant_id) as connection:
            asked = await approvals.get_approval(connection, bearer.approval_id)
            wanted = asked.status == "pending"
            if wanted:
                await _check_bearer(connection, asked, bearer)
        return approval_service_pb2.OpenApprovalLinkResponse(
            approval=to_approval_for_bearer(asked),
            approver=bearer.approver,
            ticket=self._links.ticket(request.token) if wanted else "",
        )

    async def AnswerApprovalLink(
        self, request: approval_service_pb2.AnswerApprovalLinkRequest, context: Any
    ) -> approval_service_pb2.AnswerApprovalLinkResponse:
        bearer = self._links.read(request.token)
        self._links.check_ticket(request.ticket, request.token)
        decision = _read_decision(request.decision)
        fields = _read_object(request.fields, "fields")
        async with self._database.transaction(bearer.tenant_id) as connection:
            asked = await approvals.get_approval(connection, bearer.approval_id)
            if asked.status != "pending":
                raise too_late(asked)
            await _check_bearer(connection, asked, bearer)
            form = None
            if asked.form_schema is not None and decision != "reject":
                form = read_fields(asked.form_schema, fields or {})
            who = bearer.approver
            said = Said(who, who, decision, request.comment, form, "link")
            answered = await take_answer(connection, asked, said, self._clock.now())
        return approval_service_pb2.AnswerApprovalLinkResponse(
            approval=to_approval_for_bearer(answered)
        )


async def _story(connection: AsyncConnection, asked: StoredApproval) -> Story:
    return Story(
        await answers.list_answers(connection, asked.id),
        await answers.list_delegations(connection, asked.id),
        await notices.list_notices(connection, asked.id),
    )


async def _check_bearer(connection: AsyncConnection, asked: StoredApproval, bearer: Bearer) -> None:
    """A link is void once its person has answered or handed their part over.

    Raises:
        Conflict: It is.
    """
    if asked.approvers and part_of([bearer.approver], asked.approvers) is None:
        raise Conflict("Somebody else answers this now.", reason="LINK_VOID")
    said = await answers.list_answers(connection, asked.id)
    if part_of([bearer.approver], [one.approver for one in said]) is not None:
        raise Conflict("You have answered already.", reason="ALREADY_ANSWERED")


def _read_decision(given: approval_pb2.Decision.ValueType) -> str:
    """The decision; only an explicit one counts.

    Raises:
        InvalidInput: There is none.
    """
    known = _DECISIONS.get(given)
    if known is None:
        violation = Violation("/decision", "missing", "Say approve or reject.")
        raise InvalidInput("The answer holds no decision.", violations=[violation])
    return known


def _read_object(given: document_pb2.Document, name: str) -> JsonObject | None:
    """The form that came with the answer, if one did.

    Raises:
        InvalidInput: It is no JSON object.
    """
    if not given.json:
        return None
    try:
        form: Any = orjson.loads(given.json)
    except orjson.JSONDecodeError:
        form = ()
    if not isinstance(form, dict):
        violation = Violation(f"/{name}", "invalid", "A form is a JSON object.")
        raise InvalidInput("The form is malformed.", violations=[violation])
    return form  # pyright: ignore[reportUnknownVariableType] (JSON, checked against its schema)


def _part_of_caller(asked: StoredApproval, caller: Principal) -> str:
    """Which approver the caller is: one who was asked, or anybody when nobody in particular was.

    Raises:
        Forbidden: The caller was not asked.
    """
    if not asked.approvers:
        call.caller(Role.OPERATOR)
        return caller.email or caller.subject
    part = part_of([caller.email, caller.subject], asked.approvers)
    if part is None:
        raise Forbidden("Somebody else was asked.", reason="NOT_AN_APPROVER")
    return part

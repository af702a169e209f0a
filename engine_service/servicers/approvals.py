"""Approvals: what runs ask of people. An answer and the waking of its run are one transaction."""

from dataclasses import replace
from typing import Any

import orjson
import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing.exceptions import Unresolvable

from engine_service import wire_workflows as wire
from engine_service.store import approvals
from engine_service.store.approvals import StoredApproval
from engine_service.store.runs import wake
from engine_service.values.forms import form_validator, misfits
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, Violation
from shared.identity import Principal, Role
from shared.ids import is_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
)
from shared.rpc import call
from shared.workflow import JsonObject

log = structlog.get_logger()

_MAX_COMMENT = 10_000
_DECISIONS = {
    approval_pb2.DECISION_APPROVE: ("approve", "approved"),
    approval_pb2.DECISION_REJECT: ("reject", "rejected"),
}
_REFUSALS = {
    "approved": ("ALREADY_ANSWERED", "Somebody has answered already."),
    "rejected": ("ALREADY_ANSWERED", "Somebody has answered already."),
    "cancelled": ("APPROVAL_CANCELLED", "The run has ended, so nobody needs an answer."),
}
_TOO_LATE = ("APPROVAL_EXPIRED", "The time to answer is over.")


class ApprovalServicer(approval_service_pb2_grpc.ApprovalServiceServicer):
    """flowloom.engine.v1.ApprovalService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
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
        return approval_service_pb2.GetApprovalResponse(approval=wire.to_approval(approval))

    async def AnswerApproval(
        self, request: approval_service_pb2.AnswerApprovalRequest, context: Any
    ) -> approval_service_pb2.AnswerApprovalResponse:
        caller = call.caller()
        decision, status = _read_decision(request)
        form = _read_form(request)
        async with self._database.transaction(caller.tenant_id) as connection:
            asked = await approvals.get_approval(connection, request.approval_id)
            _check_approver(asked, caller)
            if decision == "approve" or form is not None:
                _check_form(asked, form)
            answered = replace(
                asked,
                status=status,
                answered_by=caller.email or caller.subject,
                comment=request.comment,
                form=form,
                answered_at=self._clock.now(),
            )
            answer = {
                "decision": decision,
                "answered_by": answered.answered_by,
                "comment": answered.comment,
                "form": form,
            }
            # Waking locks the run, so of two answers one finds that nobody waits any more.
            if not await wake(connection, asked.run_id, asked.node_id, asked.iteration, answer):
                raise _too_late(await approvals.get_approval(connection, asked.id))
            await approvals.save_answer(connection, answered)
        return approval_service_pb2.AnswerApprovalResponse(approval=wire.to_approval(answered))


def _read_decision(request: approval_service_pb2.AnswerApprovalRequest) -> tuple[str, str]:
    """The decision and the status that follows from it; only an explicit one counts.

    Raises:
        InvalidInput: There is none, or the comment is not fit to be kept.
    """
    if len(request.comment) > _MAX_COMMENT or "\x00" in request.comment:
        violation = Violation("/comment", "invalid", f"At most {_MAX_COMMENT} signs of text.")
        raise InvalidInput("The comment cannot be kept.", violations=[violation])
    known = _DECISIONS.get(request.decision)
    if known is None:
        violation = Violation("/decision", "missing", "Say approve or reject.")
        raise InvalidInput("The answer holds no decision.", violations=[violation])
    return known


def _read_form(request: approval_service_pb2.AnswerApprovalRequest) -> JsonObject | None:
    """The form that came with the answer, if one did.

    Raises:
        InvalidInput: It is no JSON object.
    """
    if not request.form.json:
        return None
    try:
        form: Any = orjson.loads(request.form.json)
    except orjson.JSONDecodeError:
        form = ()
    if not isinstance(form, dict):
        violation = Violation("/form", "invalid", "A form is a JSON object.")
        raise InvalidInput("The form is malformed.", violations=[violation])
    return form  # pyright: ignore[reportUnknownVariableType] (JSON, checked against its schema)


def _check_approver(asked: StoredApproval, caller: Principal) -> None:
    """Let those answer who were asked; any operator, when nobody in particular was.

    Raises:
        Forbidden: The caller was not asked.
    """
    if not asked.approvers:
        call.caller(Role.OPERATOR)
        return
    wanted = {approver.strip().lower() for approver in asked.approvers}
    if caller.subject.lower() not in wanted and caller.email.lower() not in wanted - {""}:
        raise Forbidden("Somebody else was asked.", reason="NOT_AN_APPROVER")


def _check_form(asked: StoredApproval, form: JsonObject | None) -> None:
    """Hold a form against its schema; nothing outside of the schema is ever fetched.

    Raises:
        InvalidInput: It does not fit; each place is a violation.
    """
    if asked.form_schema is None:
        return
    try:
        Draft202012Validator.check_schema(asked.form_schema)
        violations = misfits(form_validator(asked.form_schema), form or {}, ["form"])
    except (SchemaError, Unresolvable) as error:
        # The author's mistake must not keep the run waiting for ever.
        log.warning("form_schema_unusable", approval_id=asked.id, error=str(error)[:200])
        return
    if violations:
        raise InvalidInput(
            "The form does not fit what was asked.", reason="FORM_INVALID", violations=violations
        )


def _too_late(approval: StoredApproval) -> Conflict:
    reason, message = _REFUSALS.get(approval.status, _TOO_LATE)
    return Conflict(message, reason=reason, metadata={"status": approval.status})

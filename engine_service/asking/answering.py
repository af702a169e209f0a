"""Answering: what makes an answer count, whoever gives it and however it comes.

An answer locks its run first, so answers to one question come one after another and each is counted
with those before it in sight. The one that decides wakes the run in the same transaction; an answer
to what is decided already is refused, and so is a second one of the same person.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing.exceptions import Unresolvable
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.store.answers import (
    StoredAnswer,
    insert_answer,
    list_answers,
    list_delegations,
)
from engine_service.store.approvals import StoredApproval, get_approval, save_answer
from engine_service.store.runs import hold, wake
from engine_service.values.forms import form_validator, misfits
from engine_service.values.votes import FILLED, YES, verdict
from shared.errors import Conflict, InvalidInput, Violation
from shared.workflow import JsonObject

log = structlog.get_logger()

_MAX_COMMENT = 10_000
_ANSWERED = ("ALREADY_ANSWERED", "Somebody has answered already.")
_REFUSALS = {
    "approved": _ANSWERED,
    "rejected": _ANSWERED,
    "submitted": _ANSWERED,
    "cancelled": ("APPROVAL_CANCELLED", "The run has ended, so nobody needs an answer."),
}
_TOO_LATE = ("APPROVAL_EXPIRED", "The time to answer is over.")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, as it came.

    Attributes:
        approver: Which of those who were asked gives it.
        answered_by: Who that is, as they are known.
        decision: approve, reject or submit.
        channel: api or link.
    """

    approver: str
    answered_by: str
    decision: str
    comment: str
    form: JsonObject | None
    channel: str


async def take_answer(
    connection: AsyncConnection, asked: StoredApproval, said: Said, at: datetime
) -> StoredApproval:
    """Take in an answer, and wake the run if that decides it.

    Returns:
        The approval as it stands now.

    Raises:
        InvalidInput: The decision is none that was asked for, or the form does not fit.
        Conflict: This person has answered, or nobody needs an answer any more.
    """
    _check_decision(asked, said.decision)
    check_comment(said.comment)
    if said.decision in (YES, FILLED) or said.form is not None:
        _check_form(asked, said.form)
    await hold(connection, asked.run_id)
    asked = await get_approval(connection, asked.id)
    if asked.status != "pending":
        raise too_late(asked)
    answer = _stored(asked, said, at)
    answers = await list_answers(connection, asked.id)
    if any(one.approver == answer.approver for one in answers):
        raise Conflict("You have answered already.", reason="ALREADY_ANSWERED")
    await insert_answer(connection, answer)
    answers.append(answer)
    status = verdict(
        [one.decision for one in answers],
        asked.quorum,
        len(asked.approvers),
        first_rejection_decides=asked.first_rejection_decides,
    )
    log.info(
        "approval_answered",
        approval_id=asked.id,
        run_id=asked.run_id,
        decision=said.decision,
        channel=said.channel,
        status=status or "pending",
    )
    return asked if status is None else await _conclude(connection, asked, answers, status)


async def _conclude(
    connection: AsyncConnection, asked: StoredApproval, answers: list[StoredAnswer], status: str
) -> StoredApproval:
    last = answers[-1]
    decided = replace(
        asked,
        status=status,
        answered_by=last.answered_by,
        comment=last.comment,
        form=last.form,
        answered_at=last.answered_at,
    )
    delegations = await list_delegations(connection, asked.id)
    answer: JsonObject = {
        "decision": last.decision,
        "answered_by": last.answered_by,
        "answered_at": last.answered_at.isoformat(),
        "comment": last.comment,
        "form": last.form,
        "answers": [_shown(one) for one in answers],
        "delegations": [
            {"from": one.approver, "to": one.delegate, "by": one.delegated_by}
            for one in delegations
        ],
    }
    if not await wake(connection, asked.run_id, asked.node_id, asked.iteration, answer):
        raise too_late(await get_approval(connection, asked.id))
    await save_answer(connection, decided)
    return decided


def too_late(approval: StoredApproval) -> Conflict:
    """Why nobody needs an answer to what is not pending any more."""
    reason, message = _REFUSALS.get(approval.status, _TOO_LATE)
    return Conflict(message, reason=reason, metadata={"status": approval.status})


def _stored(asked: StoredApproval, said: Said, at: datetime) -> StoredAnswer:
    return StoredAnswer(
        approval_id=asked.id,
        approver=said.approver.strip().lower(),
        tenant_id=asked.tenant_id,
        answered_by=said.answered_by,
        decision=said.decision,
        comment=said.comment,
        form=said.form,
        channel=said.channel,
        answered_at=at,
    )


def _shown(answer: StoredAnswer) -> JsonObject:
    return {
        "by": answer.answered_by,
        "decision": answer.decision,
        "comment": answer.comment,
        "form": answer.form,
        "channel": answer.channel,
        "at": answer.answered_at.isoformat(),
    }


def _check_decision(asked: StoredApproval, decision: str) -> None:
    is_form = asked.kind == "form"
    if (decision == FILLED) is not is_form:
        wanted = "Send the form with the decision submit." if is_form else "Say approve or reject."
        violation = Violation("/decision", "wrong_kind", wanted)
        raise InvalidInput("This is not what was asked.", violations=[violation])


def check_comment(comment: str) -> None:
    """Refuse what is not fit to be kept.

    Raises:
        InvalidInput: It is too long, or holds what no text holds.
    """
    if len(comment) > _MAX_COMMENT or "\x00" in comment:
        violation = Violation("/comment", "invalid", f"At most {_MAX_COMMENT} signs of text.")
        raise InvalidInput("The comment cannot be kept.", violations=[violation])


def _check_form(asked: StoredApproval, form: Any) -> None:
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

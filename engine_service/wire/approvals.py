"""Approvals as the messages of the contract."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine_service.store.answers import StoredAnswer, StoredDelegation
from engine_service.store.approvals import StoredApproval
from engine_service.store.notices import StoredNotice
from engine_service.wire.workflows import document, timestamp
from shared.pb.flowloom.engine.v1 import approval_pb2

_STATUS_PREFIX = "APPROVAL_STATUS_"


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to an approval besides what its own row says."""

    answers: Sequence[StoredAnswer] = ()
    delegations: Sequence[StoredDelegation] = ()
    notices: Sequence[StoredNotice] = ()


def status_name(status: approval_pb2.ApprovalStatus.ValueType) -> str:
    """An approval's status as it is stored; empty for the unspecified one and unknown ones."""
    if status not in approval_pb2.ApprovalStatus.values() or not status:
        return ""
    return approval_pb2.ApprovalStatus.Name(status).removeprefix(_STATUS_PREFIX).lower()


def to_approval(stored: StoredApproval, story: Story | None = None) -> approval_pb2.Approval:
    """An approval, with its story unless it stands in a list."""
    told = story or Story()
    return approval_pb2.Approval(
        id=stored.id,
        run_id=stored.run_id,
        workflow_id=stored.workflow_id,
        node_id=stored.node_id,
        title=stored.title,
        message=stored.message,
        approvers=stored.approvers,
        status=approval_pb2.ApprovalStatus.Value(_STATUS_PREFIX + stored.status.upper()),
        answered_by=stored.answered_by,
        comment=stored.comment,
        create_time=timestamp(stored.created_at),
        answer_time=timestamp(stored.answered_at) if stored.answered_at else None,
        expire_time=timestamp(stored.expires_at) if stored.expires_at else None,
        form_schema=None if stored.form_schema is None else document(stored.form_schema),
        form=None if stored.form is None else document(stored.form),
        kind=approval_pb2.ApprovalKind.Value(f"APPROVAL_KIND_{stored.kind.upper()}"),
        quorum=stored.quorum,
        first_rejection_decides=stored.first_rejection_decides,
        answers=[_to_answer(one) for one in told.answers],
        delegations=[_to_delegation(one) for one in told.delegations],
        notices=[_to_notice(one) for one in told.notices],
    )


def to_approval_for_bearer(stored: StoredApproval) -> approval_pb2.Approval:
    """An approval as whoever holds a link sees it: the question, and how it ended; no ids."""
    seen = to_approval(stored)
    for name in ("run_id", "workflow_id", "node_id", "approvers", "form"):
        seen.ClearField(name)
    return seen


def _to_answer(one: StoredAnswer) -> approval_pb2.Answer:
    return approval_pb2.Answer(
        approver=one.approver,
        answered_by=one.answered_by,
        decision=approval_pb2.Decision.Value(f"DECISION_{one.decision.upper()}"),
        comment=one.comment,
        form=None if one.form is None else document(one.form),
        channel=approval_pb2.AnswerChannel.Value(f"ANSWER_CHANNEL_{one.channel.upper()}"),
        answer_time=timestamp(one.answered_at),
    )


def _to_delegation(one: StoredDelegation) -> approval_pb2.Delegation:
    return approval_pb2.Delegation(
        approver=one.approver,
        delegate=one.delegate,
        delegated_by=one.delegated_by,
        comment=one.comment,
        delegate_time=timestamp(one.delegated_at),
    )


def _to_notice(one: StoredNotice) -> approval_pb2.Notice:
    return approval_pb2.Notice(
        approver=one.approver,
        channel=one.channel,
        recipient=one.recipient,
        sent=one.sent,
        send_time=timestamp(one.sent_at) if one.sent_at else None,
        due_time=timestamp(one.due_at) if one.due_at else None,
        error=one.error,
    )

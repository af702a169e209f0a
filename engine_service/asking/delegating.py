"""Handing a part over: somebody else answers instead, and is told in the same way."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.asking.answering import check_comment, too_late
from engine_service.store import notices
from engine_service.store.answers import StoredDelegation, insert_delegation, list_answers
from engine_service.store.approvals import StoredApproval, get_approval, save_approvers
from engine_service.store.notices import StoredNotice
from engine_service.store.runs import hold
from engine_service.values.forms import is_address
from engine_service.values.votes import part_of
from shared.errors import Conflict, Forbidden, InvalidInput, Violation
from shared.identity import Principal, Role
from shared.ids import new_id

log = structlog.get_logger()

_NAME = re.compile(r"[^\x00-\x20\x7f]{1,320}")


@dataclass(frozen=True, slots=True)
class HandingOver:
    """What somebody wants.

    Attributes:
        delegate: Who is to answer.
        approver: Who was to; the caller when empty.
        comment: Why.
    """

    caller: Principal
    delegate: str
    approver: str
    comment: str


async def hand_over(
    connection: AsyncConnection, asked: StoredApproval, wish: HandingOver, at: datetime
) -> StoredApproval:
    """Let somebody else answer; the approval as it stands then.

    Raises:
        InvalidInput: The delegate is nobody who could be asked.
        Forbidden: The caller has no part in it, nor may they manage others' parts.
        Conflict: It is decided, the part is used, or the delegate has a part already.
    """
    caller, delegate, approver = wish.caller, wish.delegate.strip(), wish.approver.strip()
    _part(asked, caller, approver)
    if not _NAME.fullmatch(delegate):
        violation = Violation("/delegate", "invalid", "An e-mail address or a user id.")
        raise InvalidInput("Nobody can be asked by this name.", violations=[violation])
    check_comment(wish.comment)
    await hold(connection, asked.run_id)
    asked = await get_approval(connection, asked.id)
    if asked.status != "pending":
        raise too_late(asked)
    part = _part(asked, caller, approver)
    answers = await list_answers(connection, asked.id)
    if part_of([part], [one.approver for one in answers]) is not None:
        raise Conflict("This approver has answered already.", reason="ALREADY_ANSWERED")
    if part_of([delegate], [*asked.approvers, *(one.approver for one in answers)]) is not None:
        raise Conflict("The delegate is asked already.", reason="ALREADY_AN_APPROVER")
    others = [one for one in asked.approvers if one != part]
    changed = replace(asked, approvers=[*others, delegate])
    await save_approvers(connection, asked.id, changed.approvers)
    by = caller.email or caller.subject
    delegation = StoredDelegation(asked.id, part, delegate, asked.tenant_id, by, wish.comment, at)
    await insert_delegation(connection, delegation)
    await _tell(connection, asked, part, delegate, at)
    log.info("approval_delegated", approval_id=asked.id, run_id=asked.run_id)
    return changed


def _part(asked: StoredApproval, caller: Principal, approver: str) -> str:
    own = part_of([caller.email, caller.subject], asked.approvers)
    named = part_of([approver], asked.approvers) if approver else own
    if not asked.approvers:
        # Everybody who may run workflows was asked; one of them gives it to one person.
        if not caller.role.includes(Role.OPERATOR):
            raise Forbidden("This needs the role operator.", reason="ROLE_TOO_SMALL")
        if asked.quorum > 1 or approver:
            raise Conflict("Nobody in particular was asked.", reason="NOT_DELEGABLE")
        return caller.email or caller.subject
    if named is None or (named != own and not caller.role.includes(Role.EDITOR)):
        raise Forbidden("Only an editor hands over another's part.", reason="NOT_AN_APPROVER")
    return named


async def _tell(
    connection: AsyncConnection, asked: StoredApproval, part: str, delegate: str, at: datetime
) -> None:
    """Stop telling the one and begin to tell the other."""
    known = await notices.list_notices(connection, asked.id)
    theirs = [one for one in known if not asked.approvers or part_of([part], [one.approver])]
    await notices.stop_notices(connection, [one.id for one in theirs])
    fresh: dict[tuple[str, str], StoredNotice] = {}
    for one in theirs:
        recipient = delegate if one.channel == "email" else one.recipient
        if one.channel == "email" and not is_address(delegate):
            continue
        fresh[one.channel, recipient] = replace(
            one,
            id=new_id("ntc"),
            approver=delegate,
            recipient=recipient,
            due_at=at,
            sent=0,
            failures=0,
            error="",
            sent_at=None,
        )
    await notices.insert_notices(connection, list(fresh.values()))

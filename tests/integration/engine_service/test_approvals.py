"""Approvals through the door: who may answer, what counts as an answer, and that one wins."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.asking.links import Links
from engine_service.servicers.approvals import ApprovalServicer
from shared.clock import ManualClock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.identity import Principal, Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
)
from tests.support.questions import NOW, ask, signals
from tests.support.serving import ADA, BOB, acting_as, serving

APPROVE = approval_pb2.DECISION_APPROVE
REJECT = approval_pb2.DECISION_REJECT
LINKS = Links("s" * 32, "http://127.0.0.1:8000", ManualClock(NOW))
FORM_SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number", "maximum": 100}},
    "required": ["amount"],
}


@pytest.fixture(scope="module")
async def servicer(
    app_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    services = [
        (
            approval_service_pb2_grpc,
            "ApprovalService",
            ApprovalServicer(app_database, LINKS, ManualClock(NOW)),
        )
    ]
    async with serving(tmp_path_factory.mktemp("engine"), services) as channel:
        yield approval_service_pb2_grpc.ApprovalServiceStub(channel)


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


async def answer(servicer: Any, approval_id: str, **fields: Any) -> approval_pb2.Approval:
    request = approval_service_pb2.AnswerApprovalRequest(approval_id=approval_id, **fields)
    return (await servicer.AnswerApproval(request)).approval


async def get(servicer: Any, approval_id: str) -> approval_pb2.Approval:
    request = approval_service_pb2.GetApprovalRequest(approval_id=approval_id)
    return (await servicer.GetApproval(request)).approval


def form(value: object) -> Document:
    return Document(json=json.dumps(value).encode())


async def test_an_answer_is_kept_and_reaches_the_run(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database)
    assert (await get(servicer, approval_id)).status == approval_pb2.APPROVAL_STATUS_PENDING
    answered = await answer(servicer, approval_id, decision=APPROVE, comment="Go on")
    assert answered == await get(servicer, approval_id)
    assert answered.status == approval_pb2.APPROVAL_STATUS_APPROVED
    assert (answered.answered_by, answered.comment) == ("ada@example.com", "Go on")
    assert answered.answer_time.ToDatetime(UTC) == NOW
    assert await signals(worker_database, answered.run_id) == [
        {
            "decision": "approve",
            "answered_by": "ada@example.com",
            "answered_at": NOW.isoformat(),
            "comment": "Go on",
            "form": None,
            "answers": [
                {
                    "by": "ada@example.com",
                    "decision": "approve",
                    "comment": "Go on",
                    "form": None,
                    "channel": "api",
                    "at": NOW.isoformat(),
                }
            ],
            "delegations": [],
        }
    ]


async def test_of_many_answers_at_once_exactly_one_wins(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database)
    decisions = [APPROVE, REJECT] * 5
    outcomes = await asyncio.gather(
        *(answer(servicer, approval_id, decision=decision) for decision in decisions),
        return_exceptions=True,
    )
    won = [one for one in outcomes if isinstance(one, approval_pb2.Approval)]
    lost = [one for one in outcomes if isinstance(one, Conflict)]
    assert (len(won), len(lost)) == (1, 9)
    assert {one.code for one in lost} == {"ALREADY_ANSWERED"}
    assert won[0] == await get(servicer, approval_id)
    assert len(await signals(worker_database, won[0].run_id)) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [("expired", "APPROVAL_EXPIRED"), ("cancelled", "APPROVAL_CANCELLED")],
)
async def test_an_answer_that_comes_too_late_is_told_why(
    servicer: Any, worker_database: Database, status: str, reason: str
) -> None:
    approval_id = await ask(worker_database, status=status)
    approval = await get(servicer, approval_id)
    async with worker_database.transaction() as connection:
        await connection.execute(
            text("DELETE FROM engine.waits WHERE run_id = :id"), {"id": approval.run_id}
        )
    with pytest.raises(Conflict) as caught:
        await answer(servicer, approval_id, decision=APPROVE)
    assert caught.value.code == reason
    assert await get(servicer, approval_id) == approval


@pytest.mark.parametrize(
    ("approvers", "caller", "allowed"),
    [
        ([], ADA.model_copy(update={"role": Role.OPERATOR}), True),
        ([], ADA.model_copy(update={"role": Role.VIEWER}), False),
        (["Ada@Example.com "], ADA.model_copy(update={"role": Role.VIEWER}), True),
        (["ada"], ADA.model_copy(update={"email": ""}), True),
        (["eve@example.com"], ADA, False),
        ([""], ADA.model_copy(update={"email": ""}), False),
    ],
)
async def test_only_those_answer_who_were_asked(
    servicer: Any,
    worker_database: Database,
    approvers: list[str],
    caller: Principal,
    allowed: bool,
) -> None:
    approval_id = await ask(worker_database, approvers=approvers)
    with acting_as(caller):
        if allowed:
            assert (await answer(servicer, approval_id, decision=REJECT)).status == (
                approval_pb2.APPROVAL_STATUS_REJECTED
            )
        else:
            with pytest.raises(Forbidden):
                await answer(servicer, approval_id, decision=REJECT)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({}, "/decision"),
        ({"decision": APPROVE}, "/form"),
        ({"decision": APPROVE, "form": form({"amount": 101})}, "/form/amount"),
        ({"decision": REJECT, "form": form({"amount": "much"})}, "/form/amount"),
        ({"decision": APPROVE, "form": form([1])}, "/form"),
        ({"decision": APPROVE, "form": Document(json=b'{"amount": NaN}')}, "/form"),
        ({"decision": REJECT, "comment": "\x00"}, "/comment"),
    ],
)
async def test_an_unfit_answer_is_refused_and_the_question_stays_open(
    servicer: Any, worker_database: Database, fields: dict[str, Any], where: str
) -> None:
    approval_id = await ask(worker_database, form_schema=FORM_SCHEMA)
    with pytest.raises(InvalidInput) as caught:
        await answer(servicer, approval_id, **fields)
    assert [one.pointer for one in caught.value.violations] == [where]
    assert (await get(servicer, approval_id)).status == approval_pb2.APPROVAL_STATUS_PENDING


async def test_a_form_that_fits_comes_with_the_answer(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, form_schema=FORM_SCHEMA)
    answered = await answer(
        servicer, approval_id, decision=APPROVE, form=form({"amount": 7, "note": "a\x00b"})
    )
    assert json.loads(answered.form.json) == {"amount": 7, "note": "a\x00b"}
    assert json.loads(answered.form_schema.json) == FORM_SCHEMA
    [signal] = await signals(worker_database, answered.run_id)
    assert signal["form"] == {"amount": 7, "note": "a\x00b"}


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/schema"}])
async def test_a_broken_form_schema_fetches_nothing_and_blocks_nobody(
    servicer: Any, worker_database: Database, schema: dict[str, Any]
) -> None:
    approval_id = await ask(worker_database, form_schema=schema)
    assert (await answer(servicer, approval_id, decision=APPROVE, form=form({}))).answered_by


async def test_lists_are_filtered_and_paged(servicer: Any, worker_database: Database) -> None:
    asked = [await ask(worker_database) for _ in range(3)]
    await answer(servicer, asked[0], decision=REJECT)
    request = approval_service_pb2.ListApprovalsRequest(
        page_size=2, status=approval_pb2.APPROVAL_STATUS_PENDING
    )
    first = await servicer.ListApprovals(request)
    assert [one.id for one in first.approvals] == [asked[2], asked[1]]
    request.page_token = first.next_page_token
    following = await servicer.ListApprovals(request)
    assert asked[0] not in [one.id for one in following.approvals]
    of_run = approval_service_pb2.ListApprovalsRequest(run_id=first.approvals[0].run_id)
    assert [one.id for one in (await servicer.ListApprovals(of_run)).approvals] == [asked[2]]
    nonsense = approval_service_pb2.ListApprovalsRequest(run_id="\x00")
    assert not (await servicer.ListApprovals(nonsense)).approvals


async def test_another_tenant_sees_and_answers_nothing(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database)
    with acting_as(BOB):
        with pytest.raises(NotFound):
            await answer(servicer, approval_id, decision=APPROVE)
        assert not (
            await servicer.ListApprovals(approval_service_pb2.ListApprovalsRequest())
        ).approvals
    assert (await get(servicer, approval_id)).status == approval_pb2.APPROVAL_STATUS_PENDING


# --- several people


def voter(email: str) -> Principal:
    return Principal(tenant_id="ten_a", subject=f"usr-{email}", role=Role.VIEWER, email=email)


THREE = ["ada@example.com", "bea@example.com", "cy@example.com"]


async def vote(
    servicer: Any, approval_id: str, email: str, decision: Any
) -> approval_pb2.Approval | Conflict:
    with acting_as(voter(email)):
        try:
            return await answer(servicer, approval_id, decision=decision)
        except Conflict as refused:
            return refused


@pytest.mark.parametrize(
    ("decisions", "first_rejection_decides", "statuses"),
    [
        ([APPROVE, APPROVE], True, ["PENDING", "APPROVED"]),
        ([APPROVE, REJECT], True, ["PENDING", "REJECTED"]),
        ([REJECT, APPROVE, APPROVE], False, ["PENDING", "PENDING", "APPROVED"]),
        ([REJECT, REJECT], False, ["PENDING", "REJECTED"]),
    ],
)
async def test_a_quorum_decides(
    servicer: Any,
    worker_database: Database,
    decisions: list[Any],
    first_rejection_decides: bool,
    statuses: list[str],
) -> None:
    approval_id = await ask(
        worker_database,
        approvers=THREE,
        quorum=2,
        first_rejection_decides=first_rejection_decides,
    )
    seen: list[str] = []
    for email, decision in zip(THREE, decisions, strict=False):
        approval = await vote(servicer, approval_id, email, decision)
        assert isinstance(approval, approval_pb2.Approval)
        seen.append(approval_pb2.ApprovalStatus.Name(approval.status).rpartition("_")[2])
        woken = await signals(worker_database, approval.run_id)
        assert len(woken) == (approval.status != approval_pb2.APPROVAL_STATUS_PENDING)
    assert seen == statuses
    approval = await get(servicer, approval_id)
    assert [one.decision for one in approval.answers] == decisions
    assert [one.approver for one in approval.answers] == THREE[: len(decisions)]


async def test_nobody_counts_twice_in_a_quorum(servicer: Any, worker_database: Database) -> None:
    approval_id = await ask(worker_database, approvers=THREE, quorum=2)
    await vote(servicer, approval_id, THREE[0], APPROVE)
    again = await vote(servicer, approval_id, THREE[0].upper(), APPROVE)
    assert isinstance(again, Conflict)
    assert again.code == "ALREADY_ANSWERED"
    assert (await get(servicer, approval_id)).status == approval_pb2.APPROVAL_STATUS_PENDING


async def test_a_quorum_that_is_raced_for_wakes_once(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=THREE, quorum=2)
    outcomes = await asyncio.gather(
        *(vote(servicer, approval_id, email, APPROVE) for email in THREE for _ in range(3))
    )
    counted = [one for one in outcomes if isinstance(one, approval_pb2.Approval)]
    approval = await get(servicer, approval_id)
    assert approval.status == approval_pb2.APPROVAL_STATUS_APPROVED
    assert len(counted) == len(approval.answers) == 2
    assert len({one.approver for one in approval.answers}) == 2
    [signal] = await signals(worker_database, approval.run_id)
    assert len(signal["answers"]) == 2


async def delegate(servicer: Any, approval_id: str, **fields: Any) -> approval_pb2.Approval:
    request = approval_service_pb2.DelegateApprovalRequest(approval_id=approval_id, **fields)
    return (await servicer.DelegateApproval(request)).approval


async def test_a_part_can_be_handed_over(servicer: Any, worker_database: Database) -> None:
    approval_id = await ask(worker_database, approvers=["Ada@example.com"])
    with acting_as(voter("ada@example.com")):
        handed = await delegate(
            servicer, approval_id, delegate="dee@example.com", comment="on holiday"
        )
        assert list(handed.approvers) == ["dee@example.com"]
        with pytest.raises(Forbidden):
            await answer(servicer, approval_id, decision=APPROVE)
    approval = await vote(servicer, approval_id, "dee@example.com", APPROVE)
    assert isinstance(approval, approval_pb2.Approval)
    [told] = approval.delegations
    assert (told.approver, told.delegate, told.delegated_by, told.comment) == (
        "Ada@example.com",
        "dee@example.com",
        "ada@example.com",
        "on holiday",
    )
    [signal] = await signals(worker_database, approval.run_id)
    assert signal["delegations"][0]["to"] == "dee@example.com"


@pytest.mark.parametrize(
    ("caller", "fields", "error"),
    [
        (voter("mallory@example.com"), {"delegate": "mallory2@example.com"}, Forbidden),
        (voter("bea@example.com"), {"delegate": "m@example.com", "approver": THREE[0]}, Forbidden),
        (voter("bea@example.com"), {"delegate": "CY@example.com"}, Conflict),
        (voter("bea@example.com"), {"delegate": "a b"}, InvalidInput),
        (voter("bea@example.com"), {"delegate": ""}, InvalidInput),
    ],
)
async def test_only_ones_own_part_is_handed_over_and_only_to_somebody_new(
    servicer: Any,
    worker_database: Database,
    caller: Principal,
    fields: dict[str, Any],
    error: type[Exception],
) -> None:
    approval_id = await ask(worker_database, approvers=THREE, quorum=2)
    with acting_as(caller), pytest.raises(error):
        await delegate(servicer, approval_id, **fields)
    assert list((await get(servicer, approval_id)).approvers) == THREE


async def test_an_editor_hands_over_what_somebody_else_does_not_do(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=THREE, quorum=3)
    await vote(servicer, approval_id, THREE[1], APPROVE)
    with pytest.raises(Conflict):
        await delegate(servicer, approval_id, delegate="dee@example.com", approver=THREE[1])
    handed = await delegate(servicer, approval_id, delegate="dee@example.com", approver=THREE[2])
    assert list(handed.approvers) == [*THREE[:2], "dee@example.com"]


async def test_a_form_is_submitted_and_neither_approved_nor_rejected(
    servicer: Any, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, kind="form", form_schema=FORM_SCHEMA)
    for decision in (APPROVE, REJECT):
        with pytest.raises(InvalidInput):
            await answer(servicer, approval_id, decision=decision, form=form({"amount": 1}))
    submitted = await answer(
        servicer,
        approval_id,
        decision=approval_pb2.DECISION_SUBMIT,
        form=form({"amount": 1}),
    )
    assert submitted.status == approval_pb2.APPROVAL_STATUS_SUBMITTED
    plain = await ask(worker_database)
    with pytest.raises(InvalidInput):
        await answer(servicer, plain, decision=approval_pb2.DECISION_SUBMIT)

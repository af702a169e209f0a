"""Signed links as an attacker holds them: forged, expired, another's, used, and raced with."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import jwt
import pytest

from engine_service.asking.links import Links
from engine_service.servicers.approvals import ApprovalServicer
from engine_service.store.approvals import get_approval
from shared.clock import ManualClock
from shared.database import Database
from shared.errors import AppError, Conflict, InvalidInput, NotFound
from shared.identity import Principal, Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
)
from tests.support.questions import NOW, ask, signals
from tests.support.serving import ADA, acting_as, serving

APPROVE, REJECT = approval_pb2.DECISION_APPROVE, approval_pb2.DECISION_REJECT
BEARER = Principal(tenant_id="", subject="link", role=Role.VIEWER)
LEAD, OTHER = "lead@example.com", "other@example.com"
SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "sure": {"type": "boolean"}},
    "required": ["amount", "sure"],
    "additionalProperties": False,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def links(clock: ManualClock) -> Links:
    return Links("s" * 32, "http://127.0.0.1:8000/", clock)


@pytest.fixture
async def servicer(
    app_database: Database, links: Links, clock: ManualClock, tmp_path: Any
) -> AsyncIterator[Any]:
    own = ApprovalServicer(app_database, links, clock)
    services = [(approval_service_pb2_grpc, "ApprovalService", own)]
    async with serving(tmp_path, services) as channel:
        with acting_as(BEARER):
            yield approval_service_pb2_grpc.ApprovalServiceStub(channel)


async def link_to(app: Database, links: Links, approval_id: str, approver: str = LEAD) -> str:
    async with app.transaction("ten_a") as connection:
        asked = await get_approval(connection, approval_id)
    url = links.url(asked, approver)
    assert url.startswith("http://127.0.0.1:8000/v1/answers/")
    return url.rpartition("/")[2]


async def open_link(servicer: Any, token: str) -> approval_service_pb2.OpenApprovalLinkResponse:
    return await servicer.OpenApprovalLink(
        approval_service_pb2.OpenApprovalLinkRequest(token=token)
    )


async def answer(
    servicer: Any, token: str, ticket: str, decision: Any = APPROVE, **more: Any
) -> Any:
    request = approval_service_pb2.AnswerApprovalLinkRequest(
        token=token, ticket=ticket, decision=decision, **more
    )
    return (await servicer.AnswerApprovalLink(request)).approval


async def test_a_link_answers_for_its_person_once(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD])
    token = await link_to(app_database, links, approval_id)
    opened = await open_link(servicer, token)
    assert opened.approver == LEAD
    seen = opened.approval
    assert (seen.run_id, seen.node_id, list(seen.approvers)) == ("", "", [])
    answered = await answer(servicer, token, opened.ticket, comment="fine")
    assert answered.status == approval_pb2.APPROVAL_STATUS_APPROVED
    for ticket in (opened.ticket, links.ticket(token)):
        with pytest.raises(Conflict) as caught:
            await answer(servicer, token, ticket, REJECT)
        assert caught.value.code == "ALREADY_ANSWERED"
    again = await open_link(servicer, token)
    assert (again.ticket, again.approval.answered_by) == ("", LEAD)
    with acting_as(ADA):
        kept = (
            await servicer.GetApproval(
                approval_service_pb2.GetApprovalRequest(approval_id=approval_id)
            )
        ).approval
    [said] = kept.answers
    assert (said.approver, said.channel) == (LEAD, approval_pb2.ANSWER_CHANNEL_LINK)
    assert len(await signals(worker_database, kept.run_id)) == 1


async def test_a_double_submit_counts_once(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD, OTHER], quorum=2)
    token = await link_to(app_database, links, approval_id)
    ticket = (await open_link(servicer, token)).ticket
    outcomes = await asyncio.gather(
        *(answer(servicer, token, ticket, one) for one in [APPROVE, REJECT] * 4),
        return_exceptions=True,
    )
    won = [one for one in outcomes if isinstance(one, approval_pb2.Approval)]
    lost = [one for one in outcomes if isinstance(one, Conflict)]
    assert (len(won), len(lost)) == (1, 7)


def forged(**claims: Any) -> str:
    known = {
        "aud": "flowloom:approval-link",
        "tenant": "ten_a",
        "approval": "apr_1",
        "approver": LEAD,
        "until": 4e9,
    }
    return jwt.encode({**known, **claims}, "s" * 32, algorithm="HS256")


async def test_a_forged_link_opens_nothing(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD])
    token = await link_to(app_database, links, approval_id)
    head, body, mark = token.split(".")
    unsigned = jwt.encode({"approval": approval_id}, "", algorithm="none")
    tokens = [
        "", "a", "a.b.c", "../../x", token[:-2], f"{head}.{body}x.{mark}", f"{head}.{body}.",
        unsigned, forged(approval=approval_id), token + "\x00", token * 30, links.ticket(token),
    ]  # fmt: skip
    for wrong in tokens:
        with pytest.raises(NotFound):
            await open_link(servicer, wrong)
        with pytest.raises(AppError):
            await answer(servicer, wrong, links.ticket(wrong))
    assert (await open_link(servicer, token)).ticket


async def test_another_mesh_signs_nothing_here(
    servicer: Any,
    links: Links,
    app_database: Database,
    worker_database: Database,
    clock: ManualClock,
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD])
    foreign = Links("t" * 32, "http://127.0.0.1:8000", clock)
    token = await link_to(app_database, foreign, approval_id)
    with pytest.raises(NotFound):
        await open_link(servicer, token)


async def test_a_tenant_that_does_not_fit_finds_nothing(
    servicer: Any, worker_database: Database, clock: ManualClock
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD])
    key = Links("s" * 32, "", clock)._link_key  # pyright: ignore[reportPrivateUsage] (an insider's)
    claims = {"aud": "flowloom:approval-link", "approval": approval_id, "approver": LEAD}
    token = jwt.encode({**claims, "tenant": "ten_b", "until": 4e9}, key, algorithm="HS256")
    with pytest.raises(NotFound):
        await open_link(servicer, token)


async def test_a_link_and_a_page_grow_old(
    servicer: Any,
    links: Links,
    app_database: Database,
    worker_database: Database,
    clock: ManualClock,
) -> None:
    until = NOW + timedelta(days=2)
    approval_id = await ask(worker_database, approvers=[LEAD], expires_at=until)
    token = await link_to(app_database, links, approval_id)
    ticket = (await open_link(servicer, token)).ticket
    clock.advance(timedelta(hours=13))
    with pytest.raises(Conflict) as caught:
        await answer(servicer, token, ticket)
    assert caught.value.code == "PAGE_EXPIRED"
    clock.advance(until - clock.now())
    for attempt in (open_link(servicer, token), answer(servicer, token, ticket)):
        with pytest.raises(Conflict) as caught:
            await attempt
        assert caught.value.code == "LINK_EXPIRED"
    lasting = await ask(worker_database, approvers=[LEAD])
    token = await link_to(app_database, links, lasting)
    clock.advance(timedelta(days=40))
    with pytest.raises(Conflict):
        await open_link(servicer, token)


async def test_a_ticket_belongs_to_its_link(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    first, second = [await ask(worker_database, approvers=[LEAD]) for _ in range(2)]
    token, other = [await link_to(app_database, links, one) for one in (first, second)]
    ticket = (await open_link(servicer, other)).ticket
    for wrong in ("", "a.b.c", ticket, token):
        with pytest.raises(Conflict) as caught:
            await answer(servicer, token, wrong)
        assert caught.value.code == "PAGE_EXPIRED"


async def test_a_part_that_was_handed_over_takes_its_link_along(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD])
    token = await link_to(app_database, links, approval_id)
    ticket = (await open_link(servicer, token)).ticket
    with acting_as(ADA):
        await servicer.DelegateApproval(
            approval_service_pb2.DelegateApprovalRequest(
                approval_id=approval_id, delegate=OTHER, approver=LEAD
            )
        )
    for attempt in (open_link(servicer, token), answer(servicer, token, ticket)):
        with pytest.raises(Conflict) as caught:
            await attempt
        assert caught.value.code == "LINK_VOID"
    other = await link_to(app_database, links, approval_id, OTHER)
    opened = await open_link(servicer, other)
    assert (await answer(servicer, other, opened.ticket)).answered_by == OTHER


async def test_what_a_browser_sends_is_held_against_the_form(
    servicer: Any, links: Links, app_database: Database, worker_database: Database
) -> None:
    approval_id = await ask(worker_database, approvers=[LEAD], form_schema=SCHEMA)
    token = await link_to(app_database, links, approval_id)
    ticket = (await open_link(servicer, token)).ticket
    for fields in ({}, {"amount": ["much"]}, {"amount": ["1"], "own": ["x"]}):
        sent = Document(json=json.dumps(fields).encode())
        with pytest.raises(InvalidInput):
            await answer(servicer, token, ticket, fields=sent)
    sent = Document(json=json.dumps({"amount": ["12.5"]}).encode())
    await answer(servicer, token, ticket, fields=sent)
    with acting_as(ADA):
        request = approval_service_pb2.GetApprovalRequest(approval_id=approval_id)
        kept = (await servicer.GetApproval(request)).approval
    assert json.loads(kept.form.json) == {"amount": 12.5, "sure": False}

"""Approvals: the questions that runs put to people."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import reply, returns
from gateway.shapes import Body, Document, Page, Text
from gateway.wire import WireEnum, to_pb
from shared.pb.flowloom.engine.v1 import approval_pb2, approval_service_pb2

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], route_class=UserRoute)


class ApprovalStatus(WireEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUBMITTED = "submitted"


class Decision(WireEnum):
    """A decision; only an explicit yes is a yes, and a form is submitted."""

    APPROVE = "approve"
    REJECT = "reject"
    SUBMIT = "submit"


class ListApprovals(Page):
    """Which approvals."""

    status: ApprovalStatus | None = None
    run_id: Text = ""


class AnswerApproval(Body):
    """An answer."""

    decision: Annotated[Decision, Field(strict=False)]
    comment: Text = ""
    form: Document | None = Field(default=None, description="When the approval has a form")


class DelegateApproval(Body):
    """Who answers instead."""

    delegate: Text = Field(description="An e-mail address or a user id")
    approver: Text = Field(default="", description="Whose part it is; the caller's when empty")
    comment: Text = ""


@router.get("", **returns(approval_service_pb2.ListApprovalsResponse))
async def list_approvals(
    query: Annotated[ListApprovals, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(approval_service_pb2.ListApprovalsRequest, query)
    return reply(await clients.approvals.ListApprovals(request))


@router.get("/{approval_id:id}", **returns(approval_pb2.Approval))
async def get_approval(approval_id: str, clients: ClientsPart) -> Response:
    request = approval_service_pb2.GetApprovalRequest(approval_id=approval_id)
    return reply((await clients.approvals.GetApproval(request)).approval)


@router.post("/{approval_id:id}:answer", **returns(approval_pb2.Approval))
async def answer_approval(approval_id: str, body: AnswerApproval, clients: ClientsPart) -> Response:
    """Answer; what decides it wakes the run, and an answer to what is decided is refused."""
    request = to_pb(approval_service_pb2.AnswerApprovalRequest, body, approval_id=approval_id)
    return reply((await clients.approvals.AnswerApproval(request)).approval)


@router.post("/{approval_id:id}:delegate", **returns(approval_pb2.Approval))
async def delegate_approval(
    approval_id: str, body: DelegateApproval, clients: ClientsPart
) -> Response:
    """Let somebody else answer, who is told in the same way."""
    request = to_pb(approval_service_pb2.DelegateApprovalRequest, body, approval_id=approval_id)
    return reply((await clients.approvals.DelegateApproval(request)).approval)

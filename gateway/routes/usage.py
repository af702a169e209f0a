"""Usage: what was used by day, and the budgets that stop what would pass them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import NO_CONTENT, reply, returns
from gateway.shapes import Body, Page, Sequence, Text
from gateway.wire import WireEnum, to_pb
from shared.pb.flowloom.engine.v1 import usage_pb2
from shared.pb.flowloom.engine.v1 import usage_service_pb2 as pb

router = APIRouter(tags=["usage"], route_class=UserRoute)


class BudgetPeriod(WireEnum):
    """How long a budget lasts."""

    DAY = "day"
    MONTH = "month"


class ListUsage(Page):
    """Which days."""

    first_day: Text = Field(
        default="", description="Such as `2027-01-01`; thirty days before the last one when empty"
    )
    last_day: Text = Field(default="", description="Today (UTC) when empty")


class SetBudget(Body):
    """What may be used in the period; at least one limit."""

    max_tokens: Sequence | None = Field(default=None, description="Tokens, read and written")
    max_cost_usd: Text = Field(
        default="", description="US dollars as a decimal number, such as `12.50`"
    )


Period = Annotated[BudgetPeriod, Path(description="The day or the month (UTC)")]


@router.get("/v1/usage", **returns(pb.ListUsageResponse))
async def list_usage(query: Annotated[ListUsage, Query()], clients: ClientsPart) -> Response:
    """Runs, nodes, tokens and cost day by day; days without anything are left out."""
    return reply(await clients.usage.ListUsage(to_pb(pb.ListUsageRequest, query)))


@router.get("/v1/budgets", **returns(pb.ListBudgetsResponse))
async def list_budgets(clients: ClientsPart) -> Response:
    """What language models may use in a day and in a month, and what of it is used."""
    return reply(await clients.usage.ListBudgets(pb.ListBudgetsRequest()))


@router.put("/v1/budgets/{period}", **returns(usage_pb2.Budget))
async def set_budget(period: Period, body: SetBudget, clients: ClientsPart) -> Response:
    request = to_pb(pb.SetBudgetRequest, body, period=period)
    return reply((await clients.usage.SetBudget(request)).budget)


@router.delete("/v1/budgets/{period}", **NO_CONTENT)
async def delete_budget(period: Period, clients: ClientsPart) -> Response:
    await clients.usage.DeleteBudget(to_pb(pb.DeleteBudgetRequest, period=period))
    return Response(status_code=204)

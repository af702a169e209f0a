"""What was used, day by day, and budgets, through the service and its rows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.servicers.usage import UsageServicer
from shared.clock import ManualClock
from shared.database import Database
from shared.errors import Forbidden, InvalidInput
from shared.identity import Role
from shared.pb.flowloom.engine.v1 import usage_pb2, usage_service_pb2_grpc
from shared.pb.flowloom.engine.v1 import usage_service_pb2 as pb
from tests.support.serving import ADA, BOB, acting_as, serving
from tests.support.used import used

NOW = datetime(2027, 3, 15, 12, 0, tzinfo=UTC)
DAY, MONTH = usage_pb2.BUDGET_PERIOD_DAY, usage_pb2.BUDGET_PERIOD_MONTH


@pytest.fixture
async def stub(
    app_database: Database, worker_database: Database, tmp_path: Path
) -> AsyncIterator[Any]:
    async with worker_database.transaction() as connection:
        await connection.execute(text("DELETE FROM engine.usage"))
    servicer = UsageServicer(app_database, ManualClock(NOW))
    service = (usage_service_pb2_grpc, "UsageService", servicer)
    async with serving(tmp_path, [service]) as channel:
        yield usage_service_pb2_grpc.UsageServiceStub(channel)


async def test_days_are_listed_page_by_page_and_shards_are_one(
    stub: Any, worker_database: Database
) -> None:
    for day in ("2027-02-01", "2027-03-01", "2027-03-10", "2027-03-15"):
        await used(worker_database, "ten_a", day, 100)
    await used(worker_database, "ten_a", "2027-03-10", 50, shard=1)
    await used(worker_database, "ten_b", "2027-03-10", 7_777)
    with acting_as(ADA):
        first = await stub.ListUsage(pb.ListUsageRequest(page_size=2))
        rest = await stub.ListUsage(
            pb.ListUsageRequest(page_size=2, page_token=first.next_page_token)
        )
        old = await stub.ListUsage(
            pb.ListUsageRequest(first_day="2027-01-01", last_day="2027-02-28")
        )
    assert [day.day for day in (*first.days, *rest.days)] == [
        "2027-03-01", "2027-03-10", "2027-03-15",
    ]  # fmt: skip
    assert rest.next_page_token == ""
    tenth = first.days[1]
    assert (tenth.runs, tenth.nodes, tenth.model_calls) == (4, 10, 2)
    assert (tenth.input_tokens, tenth.output_tokens) == (150, 20)
    assert (tenth.cost_usd, tenth.unpriced_calls) == ("0.025", 2)
    assert [day.day for day in old.days] == ["2027-02-01"]
    with acting_as(BOB):
        theirs = await stub.ListUsage(pb.ListUsageRequest())
    assert [day.input_tokens for day in theirs.days] == [7_777]


async def test_a_budget_is_set_told_with_what_is_used_and_taken_away(
    stub: Any, worker_database: Database
) -> None:
    await used(worker_database, "ten_a", "2027-03-01", 100)
    await used(worker_database, "ten_a", "2027-03-15", 40)
    with acting_as(ADA):
        made = await stub.SetBudget(pb.SetBudgetRequest(period=DAY, max_tokens=1_000))
        assert (made.budget.max_tokens, made.budget.used_tokens) == (1_000, 50)
        await stub.SetBudget(pb.SetBudgetRequest(period=MONTH, max_cost_usd="12.50"))
        changed = await stub.SetBudget(pb.SetBudgetRequest(period=DAY, max_cost_usd="0.5"))
        assert not changed.budget.HasField("max_tokens")
        day, month = (await stub.ListBudgets(pb.ListBudgetsRequest())).budgets
        assert (day.max_cost_usd, day.used_cost_usd) == ("0.5", "0.0125")
        assert (month.max_cost_usd, month.used_tokens) == ("12.5", 160)
    with acting_as(BOB):
        assert not (await stub.ListBudgets(pb.ListBudgetsRequest())).budgets
        await stub.DeleteBudget(pb.DeleteBudgetRequest(period=DAY))
    with acting_as(ADA):
        await stub.DeleteBudget(pb.DeleteBudgetRequest(period=MONTH))
        left = (await stub.ListBudgets(pb.ListBudgetsRequest())).budgets
        assert [one.period for one in left] == [DAY], "Bob took nothing of hers away"
        await stub.DeleteBudget(pb.DeleteBudgetRequest(period=DAY))


@pytest.mark.parametrize(
    "request_",
    [
        pb.SetBudgetRequest(period=DAY),
        pb.SetBudgetRequest(max_tokens=1),
        pb.SetBudgetRequest(period=DAY, max_tokens=-1),
        pb.SetBudgetRequest(period=DAY, max_cost_usd="much"),
        pb.SetBudgetRequest(period=DAY, max_cost_usd="NaN"),
        pb.SetBudgetRequest(period=DAY, max_cost_usd="-1"),
    ],
)
async def test_what_is_no_budget_is_refused(stub: Any, request_: pb.SetBudgetRequest) -> None:
    with acting_as(ADA), pytest.raises(InvalidInput) as caught:
        await stub.SetBudget(request_)
    assert caught.value.violations


@pytest.mark.parametrize(
    "request_",
    [
        pb.ListUsageRequest(first_day="yesterday"),
        pb.ListUsageRequest(first_day="2027-03-02", last_day="2027-03-01"),
        pb.ListUsageRequest(first_day="1900-01-01"),
        pb.ListUsageRequest(page_token="x"),
    ],
)
async def test_what_is_no_span_is_refused(stub: Any, request_: pb.ListUsageRequest) -> None:
    with acting_as(ADA), pytest.raises(InvalidInput):
        await stub.ListUsage(request_)


async def test_only_owners_set_budgets(stub: Any) -> None:
    editor = ADA.model_copy(update={"role": Role.EDITOR})
    with acting_as(editor):
        assert (await stub.ListUsage(pb.ListUsageRequest())).days is not None
        with pytest.raises(Forbidden):
            await stub.SetBudget(pb.SetBudgetRequest(period=DAY, max_tokens=1))
        with pytest.raises(Forbidden):
            await stub.DeleteBudget(pb.DeleteBudgetRequest(period=DAY))

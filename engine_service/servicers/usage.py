"""Usage: what a tenant used day by day, and the budgets that stop what would pass them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.running.spending import Period, first_day
from engine_service.store import usage as store
from engine_service.store.usage import DayUsage, TenantBudget
from shared.clock import Clock
from shared.database import Database
from shared.errors import InvalidInput, Violation
from shared.identity import Role
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import usage_pb2, usage_service_pb2_grpc
from shared.pb.flowloom.engine.v1 import usage_service_pb2 as pb
from shared.rpc import call

_USUAL = timedelta(days=30)
_LONGEST = timedelta(days=3_660)
_MOST_TOKENS = 10**15
_MOST_USD = Decimal(10**9)
_PERIODS: dict[int, Period] = {
    usage_pb2.BUDGET_PERIOD_DAY: "day",
    usage_pb2.BUDGET_PERIOD_MONTH: "month",
}


class UsageServicer(usage_service_pb2_grpc.UsageServiceServicer):
    """flowloom.engine.v1.UsageService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListUsage(self, request: pb.ListUsageRequest, context: Any) -> pb.ListUsageResponse:
        caller = call.caller()
        asked = f"{request.first_day} {request.last_day}"
        page = read_page(request.page_size, request.page_token, asked)
        last = _day(request.last_day, "last_day") or self._clock.now().astimezone(UTC).date()
        first = _day(request.first_day, "first_day") or last - _USUAL
        if first > last or last - first > _LONGEST:
            violation = Violation("/first_day", "out_of_range", "At most ten years, in order.")
            raise InvalidInput("These days are no span.", violations=[violation])
        if page.after:
            first = (_day(page.after, "page_token") or first) + timedelta(days=1)
        async with self._database.transaction(caller.tenant_id) as connection:
            rows = await store.list_days(connection, first, last)
        kept, token = page.cut(rows[: page.size + 1], lambda row: row.day.isoformat())
        return pb.ListUsageResponse(days=map(_to_day, kept), next_page_token=token)

    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Any
    ) -> pb.ListBudgetsResponse:
        caller = call.caller()
        async with self._database.transaction(caller.tenant_id) as connection:
            limits = await store.read_budgets(connection, caller.tenant_id)
            budgets = [
                await self._to_budget(connection, caller.tenant_id, limit) for limit in limits
            ]
        return pb.ListBudgetsResponse(budgets=budgets)

    async def SetBudget(self, request: pb.SetBudgetRequest, context: Any) -> pb.SetBudgetResponse:
        caller = call.caller(Role.OWNER)
        limit = _limit(request)
        async with self._database.transaction(caller.tenant_id) as connection:
            now = self._clock.now()
            await store.save_budget(connection, caller.tenant_id, limit, caller.subject, now)
            budget = await self._to_budget(connection, caller.tenant_id, limit)
        return pb.SetBudgetResponse(budget=budget)

    async def DeleteBudget(
        self, request: pb.DeleteBudgetRequest, context: Any
    ) -> pb.DeleteBudgetResponse:
        caller = call.caller(Role.OWNER)
        none = TenantBudget(_period(request.period), None, None)
        async with self._database.transaction(caller.tenant_id) as connection:
            now = self._clock.now()
            await store.save_budget(connection, caller.tenant_id, none, caller.subject, now)
        return pb.DeleteBudgetResponse()

    async def _to_budget(
        self, connection: AsyncConnection, tenant_id: str, limit: TenantBudget
    ) -> usage_pb2.Budget:
        since = first_day(limit.period, self._clock.now())
        used = await store.read_spent(connection, tenant_id, since)
        cost = "" if limit.max_cost_usd is None else _text(limit.max_cost_usd)
        return usage_pb2.Budget(
            period=usage_pb2.BudgetPeriod.Value(f"BUDGET_PERIOD_{limit.period.upper()}"),
            max_tokens=limit.max_tokens,
            max_cost_usd=cost,
            used_tokens=used.total_tokens,
            used_cost_usd=_text(used.cost_usd or Decimal()),
        )


def _to_day(row: DayUsage) -> usage_pb2.DayUsage:
    return usage_pb2.DayUsage(
        day=row.day.isoformat(),
        runs=row.runs,
        nodes=row.nodes,
        model_calls=row.model_calls,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=_text(row.cost_usd),
        unpriced_calls=row.unpriced,
    )


def _text(amount: Decimal) -> str:
    """An amount in digits; what is nothing is `0`."""
    return f"{amount.normalize():f}" if amount else "0"


def _day(text: str, name: str) -> date | None:
    """A day that is written; None when none is.

    Raises:
        InvalidInput: It is no day.
    """
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        violation = Violation(f"/{name}", "not_a_day", "Write a day as 2027-01-31.")
        raise InvalidInput("This is no day.", violations=[violation]) from error


def _period(number: int) -> Period:
    if number not in _PERIODS:
        violation = Violation("/period", "unknown", f"One of {_words(_PERIODS.values())}.")
        raise InvalidInput("There is no such period.", violations=[violation])
    return _PERIODS[number]


def _limit(request: pb.SetBudgetRequest) -> TenantBudget:
    """The budget that is asked for.

    Raises:
        InvalidInput: It has no limit, or one that is none.
    """
    tokens = request.max_tokens if request.HasField("max_tokens") else None
    violations: list[Violation] = []
    if tokens is not None and not 0 <= tokens <= _MOST_TOKENS:
        violations.append(Violation("/max_tokens", "out_of_range", f"0 to {_MOST_TOKENS}."))
    cost: Decimal | None = None
    if request.max_cost_usd:
        try:
            cost = Decimal(request.max_cost_usd)
            fits = cost.is_finite() and 0 <= cost <= _MOST_USD
        except InvalidOperation:
            fits = False
        if not fits:
            violations.append(
                Violation("/max_cost_usd", "out_of_range", "A decimal number such as 12.50.")
            )
    if tokens is None and not request.max_cost_usd:
        violations.append(Violation("/max_tokens", "missing", "Set a limit, or delete the budget."))
    if violations:
        raise InvalidInput("This is no budget.", violations=violations)
    return TenantBudget(_period(request.period), tokens, cost)


def _words(names: Iterable[str]) -> str:
    return " or ".join(names)

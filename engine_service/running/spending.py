"""What calls of models may cost: budgets of a tenant, of a run, of a node, each within the other.

A node asks its purse for a budget before it calls a model. The budget is part of the run's, and of
what its tenant may use in a day and in a month. The tenant's are read from PostgreSQL and kept for
some seconds, in which several processes may together pass a limit by what they have under way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from engine_service.store.usage import TenantBudget, read_budgets, read_spent
from shared.clock import Clock
from shared.database import Database
from shared.llm import Budget, Usage
from shared.workflow import JsonObject

NOTHING = Usage()
_FRESH = timedelta(seconds=5)
_MOST_TENANTS = 10_000
Period = Literal["day", "month"]


def shown(usage: Usage) -> JsonObject:
    """A usage as people see it."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cost_usd": None if usage.cost_usd is None else float(usage.cost_usd),
    }


@dataclass(slots=True)
class _Known:
    """A tenant's budgets as they were read."""

    until: datetime
    periods: Sequence[tuple[Period, date]]
    budgets: Sequence[Budget]


class Spending:
    """The budgets of tenants, as they stand.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def of_tenant(self, tenant_id: str) -> Sequence[Budget]:
        """What the tenant may still use today and this month; nothing where there is no limit.

        Raises:
            Unavailable: The database is away.
        """
        now = self._clock.now()
        known = self._known.get(tenant_id)
        if known is None or now >= known.until:
            if len(self._known) >= _MOST_TENANTS:
                self._known.clear()
            known = self._known[tenant_id] = await self._read(tenant_id, now, known)
        return known.budgets

    async def _read(self, tenant_id: str, now: datetime, before: _Known | None) -> _Known:
        budgets: list[Budget] = []
        periods: list[tuple[Period, date]] = []
        async with self._database.transaction() as connection:
            for limit in await read_budgets(connection, tenant_id):
                first = first_day(limit.period, now)
                spent = await read_spent(connection, tenant_id, first)
                budgets.append(_budget(limit, spent))
                periods.append((limit.period, first))
        read = _Known(now + _FRESH, periods, budgets)
        if before is not None and before.periods == periods:
            _go_on(before.budgets, budgets)
            read.budgets = before.budgets
        return read


def first_day(period: Period, now: datetime) -> date:
    """The day (UTC) with which the present period began."""
    today = now.astimezone(UTC).date()
    return today if period == "day" else today.replace(day=1)


def _budget(limit: TenantBudget, spent: Usage) -> Budget:
    name = {"day": "tenant's day", "month": "tenant's month"}[limit.period]
    return Budget(
        max_tokens=limit.max_tokens, max_cost_usd=limit.max_cost_usd, spent=spent, name=name
    )


def _go_on(kept: Sequence[Budget], read: Sequence[Budget]) -> None:
    """Bring budgets up to date of which calls under way hold a part.

    What was used here may not be counted in the database yet, what others used is.
    """
    for old, new in zip(kept, read, strict=True):
        old.max_tokens, old.max_cost_usd = new.max_tokens, new.max_cost_usd
        old.spent = max(old.spent, new.spent, key=lambda usage: usage.total_tokens)


class NodePurse:
    """What one execution of a node pays from.

    Args:
        spent: Is told of everything that is paid.
    """

    def __init__(
        self,
        tenants: Spending | None,
        tenant_id: str,
        run: Budget | None,
        spent: Callable[[Usage], None],
    ) -> None:
        self._tenants = tenants
        self._tenant_id = tenant_id
        self._run = run
        self._spent = spent

    async def open(
        self, *, max_tokens: int | None = None, max_cost_usd: Decimal | None = None
    ) -> Budget:
        """A budget of the node's own, with these limits, within those around it.

        Raises:
            Unavailable: The database is away.
        """
        outer = [] if self._run is None else [self._run]
        if self._tenants is not None:
            outer += await self._tenants.of_tenant(self._tenant_id)
        counted = _Counted(self._spent, within=outer)
        if max_tokens is None and max_cost_usd is None:
            return counted
        limits = Budget(max_tokens=max_tokens, max_cost_usd=max_cost_usd, name="node")
        return _Counted(self._spent, within=[limits, *outer])


class _Counted(Budget):
    """A budget that says what is paid from it."""

    def __init__(self, tell: Callable[[Usage], None], *, within: Sequence[Budget]) -> None:
        super().__init__(within=within)
        self._tell = tell

    def settle(self, reserved: Usage, actual: Usage) -> None:
        super().settle(reserved, actual)
        if actual.total_tokens:
            self._tell(actual)

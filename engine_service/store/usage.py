"""Usage and budgets in PostgreSQL: what was counted by day, and what a tenant may use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.llm import Usage

metadata = sa.MetaData(schema="engine")
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("tenant_id", sa.Text),
    sa.Column("day", sa.Date),
    sa.Column("shard", sa.SmallInteger),
    sa.Column("runs", sa.BigInteger),
    sa.Column("nodes", sa.BigInteger),
    sa.Column("model_calls", sa.BigInteger),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Numeric),
    sa.Column("unpriced", sa.BigInteger),
)
run_usage = sa.Table(
    "run_usage",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("model_calls", sa.BigInteger),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Numeric),
    sa.Column("unpriced", sa.BigInteger),
)
budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("max_tokens", sa.BigInteger),
    sa.Column("max_cost_usd", sa.Numeric),
    sa.Column("updated_by", sa.Text),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
)
_COUNTS = ("runs", "nodes", "model_calls", "input_tokens", "output_tokens", "cost_usd", "unpriced")


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What a tenant used on a day; `cost_usd` is that of the calls whose price is known."""

    day: date
    runs: int
    nodes: int
    model_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class TenantBudget:
    """What a tenant may use in a period; None is no limit."""

    period: Literal["day", "month"]
    max_tokens: int | None
    max_cost_usd: Decimal | None


async def list_days(connection: AsyncConnection, first: date, last: date) -> Sequence[DayUsage]:
    """What the tenant of this transaction used, day by day; days without anything are left out."""
    counts = [sa.cast(sa.func.sum(usage.c[name]), usage.c[name].type) for name in _COUNTS]
    found = await connection.execute(
        sa.select(usage.c.day, *counts)
        .where(usage.c.day.between(first, last))
        .group_by(usage.c.day)
        .order_by(usage.c.day)
    )
    return [DayUsage(*row) for row in found]


async def read_spent(connection: AsyncConnection, tenant_id: str, first: date) -> Usage:
    """What a tenant's models used since a day."""
    names = ("input_tokens", "output_tokens", "cost_usd")
    sums = [sa.func.coalesce(sa.func.sum(usage.c[name]), 0) for name in names]
    query = sa.select(*sums).where(usage.c.tenant_id == tenant_id, usage.c.day >= first)
    row: Any = (await connection.execute(query)).one()
    return Usage(int(row[0]), int(row[1]), cost_usd=Decimal(row[2]))


async def read_run_spent(connection: AsyncConnection, run_id: str) -> Usage:
    """What a run's models used so far."""
    found = await connection.execute(sa.select(run_usage).where(run_usage.c.run_id == run_id))
    row = found.mappings().one_or_none()
    if row is None:
        return Usage()
    return Usage(row["input_tokens"], row["output_tokens"], cost_usd=row["cost_usd"])


async def read_budgets(connection: AsyncConnection, tenant_id: str) -> Sequence[TenantBudget]:
    """What a tenant may use, in the order of the periods' names."""
    found = await connection.execute(
        sa.select(budgets.c.period, budgets.c.max_tokens, budgets.c.max_cost_usd)
        .where(budgets.c.tenant_id == tenant_id)
        .order_by(budgets.c.period)
    )
    return [TenantBudget(*row) for row in found]


async def save_budget(
    connection: AsyncConnection, tenant_id: str, budget: TenantBudget, by: str, now: datetime
) -> None:
    """Store what a tenant may use in a period; without any limit, nothing is kept."""
    key = (budgets.c.tenant_id == tenant_id, budgets.c.period == budget.period)
    if budget.max_tokens is None and budget.max_cost_usd is None:
        await connection.execute(budgets.delete().where(*key))
        return
    values = {
        "max_tokens": budget.max_tokens,
        "max_cost_usd": budget.max_cost_usd,
        "updated_by": by,
        "updated_at": now,
    }
    await connection.execute(
        pg.insert(budgets)
        .values(tenant_id=tenant_id, period=budget.period, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "period"], set_=values)
    )

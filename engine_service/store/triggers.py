"""Live triggers in PostgreSQL: a row exists exactly while its trigger is live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.ids import is_id
from shared.pages import Page
from shared.workflow import JsonObject

metadata = sa.MetaData(schema="engine")
triggers = sa.Table(
    "triggers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("workflow_id", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("node_id", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("parameters", sa.JSON),
    sa.Column("timezone", sa.Text),
    sa.Column("path", sa.Text),
    sa.Column("secret", sa.Text),
    sa.Column("next_fire_at", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("credentials", sa.JSON),
    sa.Column("next_poll_at", sa.DateTime(timezone=True)),
    sa.Column("cursor", sa.JSON(none_as_null=True)),
    sa.Column("polled_at", sa.DateTime(timezone=True)),
    sa.Column("poll_failures", sa.Integer),
    sa.Column("poll_error", sa.Text),
)
CHANNEL = "flowloom_triggers"
"""Where PostgreSQL tells schedulers and pollers that a trigger of theirs has come to life."""
_HINT = sa.select(sa.func.pg_notify(CHANNEL, ""))


@dataclass(frozen=True, slots=True)
class LiveTrigger:
    """A trigger that may begin runs of one version of a workflow.

    Attributes:
        path: Where a webhook listens, below /v1/hooks, as its shape; None for others.
        next_fire_at: When a clock trigger is due; None for others, and when it never fires again.
        credentials: What the node refers to, by type.
        next_poll_at: When a polling trigger looks again, or whoever looks must be done.
        cursor: What it knows of its source; None before it has looked.
        polled_at: When it last looked without failing.
        poll_failures: How often it has failed since.
        poll_error: Why it failed last; empty when it did not.
    """

    id: str
    tenant_id: str
    workflow_id: str
    version: int
    node_id: str
    type: str
    parameters: JsonObject
    timezone: str
    created_at: datetime
    path: str | None = None
    secret: str = ""
    next_fire_at: datetime | None = None
    credentials: Mapping[str, str] = field(default_factory=dict[str, str])
    next_poll_at: datetime | None = None
    cursor: JsonObject | None = None
    polled_at: datetime | None = None
    poll_failures: int = 0
    poll_error: str = ""


async def insert_triggers(connection: AsyncConnection, rows: Sequence[LiveTrigger]) -> set[str]:
    """Make triggers live.

    Returns:
        The webhook paths among them that another workflow of the tenant holds; their rows were not
        stored, so the caller must give up the transaction if there is any.
    """
    if not rows:
        return set()
    values = [{name: getattr(row, name) for name in LiveTrigger.__slots__} for row in rows]
    stored = await connection.execute(
        pg.insert(triggers)
        .values(values)
        .on_conflict_do_nothing(index_elements=[triggers.c.path])
        .returning(triggers.c.id)
    )
    ids = set(stored.scalars())
    if any(row.next_fire_at or row.next_poll_at for row in rows):
        await connection.execute(_HINT)
    return {row.path for row in rows if row.id not in ids and row.path is not None}


async def delete_triggers(connection: AsyncConnection, workflow_id: str) -> None:
    """Turn a workflow's triggers off."""
    await connection.execute(triggers.delete().where(triggers.c.workflow_id == workflow_id))


async def get_trigger(connection: AsyncConnection, trigger_id: str) -> LiveTrigger:
    """One live trigger.

    Raises:
        NotFound: There is none, it is off, or it is another tenant's.
    """
    if is_id("trg", trigger_id):
        found = await connection.execute(sa.select(triggers).where(triggers.c.id == trigger_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return LiveTrigger(**row)
    raise NotFound("There is no such live trigger.", reason="TRIGGER_NOT_FOUND")


async def find_by_path(connection: AsyncConnection, path: str) -> LiveTrigger | None:
    """The webhook that listens on a path, if there is one."""
    found = await connection.execute(sa.select(triggers).where(triggers.c.path == path))
    row = found.mappings().one_or_none()
    return None if row is None else LiveTrigger(**row)


def shape_of(path: str) -> str:
    """A webhook's path as rows hold it: names of steps left out, as they tell nobody apart."""
    return "/".join(":" if step.startswith(":") else step for step in path.split("/"))


def _fits(shape: str, path: str) -> bool:
    steps, values = shape.split("/"), path.split("/")
    return len(steps) == len(values) and all(
        step in (":", value) for step, value in zip(steps, values, strict=True)
    )


def _openness(shape: str) -> list[bool]:
    """Sorts what says more before what says less, from the first step on."""
    return [step == ":" for step in shape.split("/")]


async def find_by_shape(connection: AsyncConnection, path: str) -> LiveTrigger | None:
    """The webhook whose path has names for some steps and fits, if there is one."""
    tenant_id = path.partition("/")[0]
    found = await connection.execute(
        sa.select(triggers).where(triggers.c.tenant_id == tenant_id, triggers.c.path.like("%/:%"))
    )
    rows = [LiveTrigger(**row) for row in found.mappings()]
    fitting = [row for row in rows if row.path is not None and _fits(row.path, path)]
    return min(fitting, key=lambda row: _openness(row.path or ""), default=None)


async def list_triggers(
    connection: AsyncConnection, page: Page, workflow_id: str = "", kinds: Sequence[str] = ()
) -> Sequence[LiveTrigger]:
    """Live triggers, newest first: one more than the page holds, when there are more.

    Args:
        connection: Of a tenant, or of all.
        page: Which part of the list.
        workflow_id: Only those of this workflow, when given.
        kinds: Only those of these types, when given.
    """
    query = sa.select(triggers).order_by(triggers.c.id.desc()).limit(page.size + 1)
    if workflow_id:
        query = query.where(triggers.c.workflow_id == workflow_id)
    if kinds:
        query = query.where(triggers.c.type.in_(kinds))
    if page.after:
        query = query.where(triggers.c.id < page.after)
    found = await connection.execute(query)
    return [LiveTrigger(**row) for row in found.mappings()]


async def take_due(
    connection: AsyncConnection, now: datetime, at_most: int
) -> Sequence[LiveTrigger]:
    """Clock triggers that are due, earliest first; nobody else gets them in this transaction."""
    found = await connection.execute(
        sa.select(triggers)
        .where(triggers.c.next_fire_at <= now)
        .order_by(triggers.c.next_fire_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return [LiveTrigger(**row) for row in found.mappings()]


async def advance(connection: AsyncConnection, due: Mapping[str, datetime | None]) -> None:
    """Say by id when triggers that this transaction has taken are due again, if ever."""
    if due:
        await connection.execute(
            triggers.update()
            .where(triggers.c.id == sa.bindparam("trigger_id"))
            .values(next_fire_at=sa.bindparam("due_at")),
            [{"trigger_id": trigger_id, "due_at": moment} for trigger_id, moment in due.items()],
        )


async def find_cursors(connection: AsyncConnection, workflow_id: str) -> Sequence[LiveTrigger]:
    """The workflow's live triggers that know something of a source."""
    found = await connection.execute(
        sa.select(triggers).where(
            triggers.c.workflow_id == workflow_id, triggers.c.cursor.is_not(None)
        )
    )
    return [LiveTrigger(**row) for row in found.mappings()]


async def take_polls(
    connection: AsyncConnection, now: datetime, lease: datetime, at_most: int
) -> Sequence[LiveTrigger]:
    """Polling triggers that are due, put off until the lease ends; nobody else gets them."""
    due = (
        sa.select(triggers.c.id)
        .where(triggers.c.next_poll_at <= now)
        .order_by(triggers.c.next_poll_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    found = await connection.execute(
        triggers.update()
        .where(triggers.c.id.in_(due))
        .values(next_poll_at=lease)
        .returning(*triggers.c)
    )
    return [LiveTrigger(**row) for row in found.mappings()]


async def end_poll(connection: AsyncConnection, taken: LiveTrigger, after: LiveTrigger) -> bool:
    """Store what came of a poll.

    Args:
        connection: In a transaction.
        taken: The row as it was taken.
        after: The row as it is to be.

    Returns:
        Whether the lease under which it was taken still held; otherwise nothing is stored.
    """
    ended = await connection.execute(
        triggers.update()
        .where(triggers.c.id == taken.id, triggers.c.next_poll_at == taken.next_poll_at)
        .values(
            next_poll_at=after.next_poll_at,
            cursor=after.cursor,
            polled_at=after.polled_at,
            poll_failures=after.poll_failures,
            poll_error=after.poll_error,
        )
    )
    return ended.rowcount == 1


async def find_next_poll_at(connection: AsyncConnection) -> datetime | None:
    """When the next polling trigger is due, if any is."""
    return (await connection.execute(sa.select(sa.func.min(triggers.c.next_poll_at)))).scalar()


async def find_next_fire_at(connection: AsyncConnection) -> datetime | None:
    """When the next clock trigger is due, if any is."""
    return (await connection.execute(sa.select(sa.func.min(triggers.c.next_fire_at)))).scalar()


async def find_busy_workflows(connection: AsyncConnection, workflow_ids: Sequence[str]) -> set[str]:
    """Those of the workflows that a run is still going of."""
    if not workflow_ids:
        return set()
    found = await connection.execute(
        sa.text(
            "SELECT w.id FROM engine.workflows w WHERE w.id = ANY(:ids) AND EXISTS ("
            " SELECT FROM engine.runs r WHERE r.tenant_id = w.tenant_id AND r.workflow_id = w.id"
            " AND r.mode IN ('live', 'test') AND r.status IN ('queued', 'running', 'waiting'))"
        ),
        {"ids": list(workflow_ids)},
    )
    return set(found.scalars())

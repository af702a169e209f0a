"""Lists stay quick however many rows there are: what they read follows from the page alone.

The long version has a million runs; `python -m bench.lists` looks at the clock.
"""

import pytest
from sqlalchemy import text

from engine_service.store.run_rows import MODES, STATUSES, list_runs
from shared.database import Database
from shared.pages import Page

_TENANT = "ten_many"
_SIZE = 50
_FILL = """
INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger, trigger_node_id,
  input, status, created_at, ended_at)
SELECT 'run_' || lpad(n::text, 26, '0'), CASE WHEN n % 10 = 0 THEN 'ten_few' ELSE :tenant END,
  'wf_' || lpad((n % 7)::text, 26, '0'), 1, CASE WHEN n % 1000 = 1 THEN 'test' ELSE 'live' END,
  'api', 'start', '{}',
  CASE WHEN n % 5000 = 3 THEN 'failed' WHEN n % 5000 = 4 THEN 'waiting' ELSE 'completed' END,
  now(), now()
FROM generate_series(1, :count) n
"""
_FILTERS = [
    {"workflow_id": workflow_id, "status": status, "mode": mode}
    for workflow_id in ("", f"wf_{3:026d}", f"wf_{9:026d}")
    for status in ("", *STATUSES)
    for mode in ("", *MODES)
]


@pytest.fixture(scope="module", params=[20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
async def filled(
    request: pytest.FixtureRequest, app_database: Database, worker_database: Database
) -> int:
    async with worker_database.transaction() as connection:
        await connection.execute(text("DELETE FROM engine.runs"))
        await connection.execute(text(_FILL), {"tenant": _TENANT, "count": request.param})
    return request.param


async def listed(app: Database, page: Page, **asked: str) -> list[str]:
    async with app.transaction(_TENANT) as connection:
        runs = await list_runs(connection, page, **asked)
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return [run.id for run in runs]


async def rows_read(worker: Database) -> int:
    """How many rows and index entries of the runs were read so far."""
    async with worker.transaction() as connection:
        found = await connection.execute(
            text(
                "SELECT sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables"
                " WHERE relname = 'runs' AND schemaname = 'engine')"
                " FROM pg_stat_user_indexes WHERE relname = 'runs' AND schemaname = 'engine'"
            )
        )
        return int(found.scalar_one())


async def test_a_page_reads_what_it_shows_and_little_more(
    filled: int, app_database: Database, worker_database: Database
) -> None:
    for asked in _FILTERS:
        before = await rows_read(worker_database)
        await listed(app_database, Page(_SIZE, None, ""), **asked)
        read = await rows_read(worker_database) - before
        # From each of twelve stretches of an index at most a page, and then the page itself.
        assert read <= (len(MODES) * len(STATUSES) + 1) * (_SIZE + 1), (asked, read)


async def test_pages_hold_what_was_asked_for_in_order(
    filled: int, app_database: Database, worker_database: Database
) -> None:
    for asked in _FILTERS:
        ids = await listed(app_database, Page(_SIZE, None, ""), **asked)
        if ids:
            ids += await listed(app_database, Page(_SIZE, ids[-1], ""), **asked)
        conditions = " ".join(f"AND {name} = :{name}" for name, value in asked.items() if value)
        async with worker_database.transaction() as connection:
            found = await connection.execute(
                text(
                    f"SELECT id FROM engine.runs WHERE tenant_id = :tenant {conditions}"
                    " ORDER BY id DESC LIMIT :most"
                ),
                {**asked, "tenant": _TENANT, "most": 2 * (_SIZE + 1)},
            )
            assert ids == list(found.scalars()), asked

"""Everything that knows Absurd: how a run becomes a task, who works on it, and when it sleeps.

Absurd is SQL, so what stands here is SQL to be put into our own transactions, each piece with a
sentence. Taking over, sleeping, waking and giving back are Absurd's own functions. The two things
that every run does, beginning and ending, are written out as Absurd's functions would do them, for
a whole batch at once: they cost a tenth that way. A contract test compares both.

An engine (a *worker*, by a name that no other process ever has) claims tasks for a few seconds and
extends all its claims in one statement. A claim that nobody extends lapses: whoever claims next
takes the task over under a new claim, and the old one can write nothing any more. A worker that
cannot extend in time stops by itself, before anybody else could begin.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service import metrics
from shared.database import Database
from shared.errors import Unavailable

log = structlog.get_logger()

_LAG = text("""
SELECT coalesce(extract(epoch FROM now() - min(available_at)), 0)::float FROM absurd.r_flowloom
WHERE state IN ('pending', 'sleeping') AND available_at <= now()
""")

NEXT_DUE = """
SELECT least(
  CASE WHEN current_setting('flowloom.picks', true) = 'false' THEN 0.01 END,
  extract(epoch FROM least(
    (SELECT min(available_at) FROM absurd.r_flowloom
     WHERE state = 'pending' AND available_at > now()),
    (SELECT min(available_at) FROM absurd.r_flowloom
     WHERE state = 'sleeping' AND available_at > now() AND available_at < 'infinity')
  ) - now())::float
)
"""
"""In how many seconds some task will be due that is not yet; null if none will by itself. At once
when there is a line of which another engine is taking runs at this moment."""

TAKE = """
tasks AS MATERIALIZED (
  SELECT id AS run_id, absurd.portable_uuidv7() AS task, absurd.portable_uuidv7() AS claim,
    absurd.current_time() AS moment
  FROM taken
), enqueued AS (
  INSERT INTO absurd.t_flowloom (task_id, task_name, params, enqueue_at, first_started_at, state,
    attempts, last_attempt_run, idempotency_key)
  SELECT task, 'run', jsonb_build_object('run_id', run_id), moment, moment, 'running',
    1, claim, run_id
  FROM tasks
), available AS (
  INSERT INTO absurd.r_flowloom (run_id, task_id, attempt, state, claimed_by, claim_expires_at,
    available_at, started_at, created_at)
  SELECT claim, task, 1, 'running', %(worker)s, moment + make_interval(secs => %(lease)s),
    moment, moment, moment
  FROM tasks
)
"""
"""Spawns a task for each row of `taken` (id), claimed by us.

The run's id is the task's idempotency key, so that the task can be found by it."""

SET_FREE = """
SELECT extract(epoch FROM now() - lapsed.claim_expires_at)::float + %(lease)s,
  absurd.fail_run('flowloom', lapsed.run_id, '{"name": "$ClaimTimeout"}', NULL)
FROM (
  SELECT run_id, claim_expires_at FROM absurd.r_flowloom
  WHERE state = 'running' AND claim_expires_at <= now()
  ORDER BY claim_expires_at, run_id LIMIT %(quantity)s FOR UPDATE SKIP LOCKED
) AS lapsed
"""
"""Takes tasks away from workers that have gone. CLAIM does so too, but gives them out only the next
time, because they become free a moment after it has looked at the clock. The first column says for
how many seconds each had not been extended."""

CLAIM = """
SELECT run_id::text AS claim, task_id::text AS task, attempt, params->>'run_id' AS run_id,
  set_config('flowloom.claimed', (count(*) OVER ())::text, true)
FROM absurd.claim_task('flowloom', %(worker)s, %(lease)s, %(quantity)s)
"""
"""Takes tasks that are free and due, the oldest first; what follows knows how many.

They have begun before: what has not yet begun stands in the line."""

FENCE = """
JOIN absurd.r_flowloom held ON held.run_id = {claim}
  AND held.state = 'running' AND held.claimed_by = %(worker)s
"""
"""Keeps the rows whose claim is still ours; lock `held` with them, and it remains so."""

FINISH = """
finished_runs AS (
  DELETE FROM absurd.r_flowloom WHERE task_id IN (SELECT task FROM ours WHERE ends)
), finished_tasks AS (
  DELETE FROM absurd.t_flowloom WHERE task_id IN (SELECT task FROM ours WHERE ends)
), finished_waits AS (
  DELETE FROM absurd.w_flowloom WHERE task_id IN (SELECT task FROM closing)
), finished_sleeps AS (
  DELETE FROM absurd.c_flowloom WHERE task_id IN (SELECT task FROM closing)
)
"""
"""Ends the tasks of `ours` (task, ends); `closing` (task) names those that may have slept.

An ended task is deleted, not kept for a later cleaning: the run's row says what became of it."""

DROP = """
WITH gone AS (
  DELETE FROM absurd.t_flowloom WHERE idempotency_key = ANY(%(run_ids)s) RETURNING task_id
), runs AS (
  DELETE FROM absurd.r_flowloom USING gone WHERE r_flowloom.task_id = gone.task_id
), waits AS (
  DELETE FROM absurd.w_flowloom USING gone WHERE w_flowloom.task_id = gone.task_id
)
DELETE FROM absurd.c_flowloom USING gone WHERE c_flowloom.task_id = gone.task_id
"""
"""Ends the tasks of runs, whoever works on them; their claims are void."""

SLEEP = """absurd.await_event('flowloom', {task}, {claim}, {event}, {event}, {seconds})"""
"""Puts a claimed task to sleep until the event, or until so many seconds have passed."""

ASLEEP = """EXISTS (
  SELECT FROM absurd.r_flowloom h WHERE h.run_id = {claim} AND h.state = 'sleeping')"""
RUN_ASLEEP = """EXISTS (
  SELECT FROM absurd.t_flowloom t JOIN absurd.r_flowloom h ON h.run_id = t.last_attempt_run
  WHERE t.idempotency_key = {run_id} AND h.state = 'sleeping')"""
"""Whether what was claimed, or the task of a run, sleeps."""

RELEASE = "absurd.schedule_run('flowloom', {claim}, absurd.current_time())"
"""Gives a claim back, so that anybody may take the task at once."""

_EXTEND = text("""
WITH held AS MATERIALIZED (
  SELECT run_id FROM absurd.r_flowloom
  WHERE run_id IN (SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST(:claims AS json)))
    AND state = 'running' AND claimed_by = :worker
  ORDER BY run_id FOR UPDATE
)
UPDATE absurd.r_flowloom r
SET claim_expires_at = absurd.current_time() + make_interval(secs => :lease)
FROM held WHERE r.run_id = held.run_id
RETURNING CAST(r.run_id AS text)
""")
_CLEAN_UP = text("SELECT absurd.cleanup_events('flowloom', :seconds, :batch)")

_KEPT_SECONDS = 60
_BATCH = 10_000
_MARGIN_SECONDS = 0.4
_PAUSE_SECONDS = 0.1


class Claims:
    """The claims this process holds, and the loop that keeps them.

    Args:
        database: Acts as flowloom_worker.
        worker: This process's name.
        lease: Seconds after which a claim lapses unless it is extended.
    """

    def __init__(self, database: Database, worker: str, lease: int) -> None:
        self.worker = worker
        self.lease = lease
        self._database = database
        self._held: dict[str, Callable[[], None]] = {}
        self._leaving: set[str] = set()
        self._extended_at = time.monotonic()

    def hold(self, claim: str, lost: Callable[[], None]) -> None:
        """Keep a claim from now on; `lost` is called if that fails."""
        if not self._held:
            self._extended_at = time.monotonic()
        self._held[claim] = lost

    def leave(self, claim: str) -> None:
        """A claim is about to be given up: nobody need be told when it is gone."""
        self._leaving.add(claim)

    def stay(self, claim: str) -> None:
        """It was not given up after all."""
        self._leaving.discard(claim)

    def let_go(self, claim: str) -> None:
        """Stop keeping a claim."""
        self._held.pop(claim, None)
        self._leaving.discard(claim)

    def __len__(self) -> int:
        return len(self._held)

    def are_fresh(self) -> bool:
        """Whether nobody else can have taken over yet, by this machine's own clock."""
        return time.monotonic() - self._extended_at < self.lease

    async def keep(self) -> None:
        """Extend the claims until cancelled; those that cannot be extended are lost."""
        while True:
            if not self._held or await self._extend():
                await asyncio.sleep(self.lease / 4)
            else:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _extend(self) -> bool:
        """Extend all claims; whether PostgreSQL could be asked."""
        claims, begun = list(self._held), time.monotonic()
        # Beyond that moment others may begin, so everything is stopped a little before it.
        last_moment = self._extended_at + self.lease - _MARGIN_SECONDS
        try:
            async with asyncio.timeout(max(last_moment - begun, 0.0)):
                ours = await self._extended(claims)
        except (Unavailable, TimeoutError):
            if time.monotonic() >= last_moment:
                log.error("claims_lost", count=len(claims), reason="they could not be extended")
                metrics.CLAIMS_LOST.inc(len(claims))
                self._lose(claims)
            return False
        self._extended_at = begun
        lost = [claim for claim in claims if claim not in ours and claim not in self._leaving]
        lost = [claim for claim in lost if claim in self._held]
        if lost:
            log.warning("claims_lost", count=len(lost), reason="they are somebody else's now")
            metrics.CLAIMS_LOST.inc(len(lost))
            self._lose(lost)
        return True

    async def _extended(self, claims: Iterable[str]) -> set[str]:
        values = {
            "claims": orjson.dumps(list(claims)).decode(),
            "worker": self.worker,
            "lease": self.lease,
        }
        async with self._database.transaction() as connection:
            return set((await connection.execute(_EXTEND, values)).scalars())

    def _lose(self, claims: Iterable[str]) -> None:
        for claim in claims:
            if lost := self._held.pop(claim, None):
                lost()


async def clean_up(connection: AsyncConnection) -> bool:
    """Delete events that have woken whom they were for; whether there may be more of them."""
    values = {"seconds": _KEPT_SECONDS, "batch": _BATCH}
    return (await connection.execute(_CLEAN_UP, values)).scalar_one() >= _BATCH


async def lag(connection: AsyncConnection) -> float:
    """For how many seconds the oldest task has been due that nobody has taken."""
    return (await connection.execute(_LAG)).scalar_one()

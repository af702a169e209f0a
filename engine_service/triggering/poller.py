"""Looks for triggers that poll: takes due rows, asks their sources, and starts runs of what is new.

Any number of engines run this loop. A due row is put off by a lease in one short transaction, and
its source is asked while no transaction is open. Then, in one transaction, the row's cursor moves
and the runs of what is new begin, but only while that lease still holds; each run has a key made of
what the source calls its finding, so that even a source that is asked twice starts one run only. A
source that fails is asked less and less often, and the trigger says why.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
import structlog
from pydantic import ValidationError

from engine_service.catalogue import Catalogue
from engine_service.sdk.node import Credentials, HttpClient, Network, NodeError, NodeParameters
from engine_service.sdk.trigger import Found, Outside, Polled, PollTrigger
from engine_service.store import triggers
from engine_service.store.runs import NewRun, insert_runs
from engine_service.store.triggers import LiveTrigger
from engine_service.triggering.rounds import PAUSE, Rounds
from engine_service.vault.keychain import Keychain
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable
from shared.ids import new_id
from shared.notifications import Notifications
from shared.tracing import spans
from shared.workflow import JsonObject

log = structlog.get_logger()

AT_ONCE = 8
_LEASE = timedelta(minutes=3)
_LONGEST_POLL = timedelta(minutes=1)
_POLL = timedelta(seconds=30)
_LONGEST_BACK_OFF = timedelta(hours=1)
_MOST_DOUBLINGS = 10
_LONGEST_ERROR = 1_000


@dataclass(frozen=True, slots=True)
class Means:
    """What sources are asked with."""

    http: HttpClient
    network: Network
    keychain: Keychain


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the source of a row."""

    row: LiveTrigger
    trigger: PollTrigger[Any]
    parameters: NodeParameters
    outside: Outside


class Poller:
    """The loop.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        catalogue: Catalogue,
        means: Means,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._means = means
        self._clock = clock
        self._rounds = Rounds("poller", notifications, triggers.CHANNEL, clock, _POLL)

    async def run(self) -> None:
        """Poll until cancelled; a database that is away is waited for."""
        await self._rounds.run(self._poll_all)

    async def poll_due(self) -> int:
        """Ask the sources of what is due, several at once.

        Returns:
            How many were due; AT_ONCE if there may be more.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            taken = await triggers.take_polls(connection, now, now + _LEASE, AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for row in taken:
                group.create_task(self._poll(row))
        return len(taken)

    async def _poll(self, row: LiveTrigger) -> None:
        """Ask the source of a row. What goes wrong here is that row's trouble, and no other's."""
        try:
            with spans.span(f"poll {row.type}", "producer", {"flowloom.trigger.type": row.type}):
                await self._ask(row)
        except Unavailable as error:  # its lease ends by itself
            log.warning("poll_given_up", trigger_id=row.id, because=error.message)
        except Exception as error:  # whatever it is, others must still be polled
            log.error("poll_broke", trigger_id=row.id, type=row.type, exc_info=error)

    async def _ask(self, row: LiveTrigger) -> None:
        trigger = self._catalogue.find(row.type)
        if not isinstance(trigger, PollTrigger):
            await self._failed(row, f"This engine has no trigger type {row.type}.", PAUSE)
            return
        credentials = self._means.keychain.of(row.tenant_id, row.credentials)
        try:
            parameters = trigger.Parameters.model_validate(row.parameters)
        except ValidationError as error:
            log.error("trigger_unreadable", trigger_id=row.id, error=str(error))
            await self._failed(row, "This engine cannot read the parameters.", PAUSE)
            return
        look = _Look(row, trigger, parameters, self._outside(credentials))
        try:
            async with asyncio.timeout(_LONGEST_POLL.total_seconds()):
                polled = await trigger.poll(parameters, row.cursor, look.outside)
        except (NodeError, TimeoutError) as error:
            said = str(error) or f"No answer within {_LONGEST_POLL.total_seconds():g} seconds."
            await self._failed(row, credentials.hide(said), trigger.interval(parameters))
        except Exception as error:  # a kind's mistake must not end the loop
            log.error("poll_broke", trigger_id=row.id, type=row.type, exc_info=error)
            await self._failed(row, "Something went wrong inside.", trigger.interval(parameters))
        else:
            await self._found(look, polled)

    def _outside(self, credentials: Credentials) -> Outside:
        means = self._means
        return Outside(means.http, means.network, credentials, self._clock.now())

    async def _found(self, look: _Look, polled: Polled) -> None:
        """Start runs of what is new and move the cursor, both or neither."""
        now, row = self._clock.now(), look.row
        pause = timedelta() if polled.more else look.trigger.interval(look.parameters)
        after = replace(
            row,
            next_poll_at=now + pause,
            cursor=polled.cursor,
            polled_at=now,
            poll_failures=0,
            poll_error="",
        )
        together = look.trigger.together(look.parameters)
        async with self._database.transaction() as connection:
            if not await triggers.end_poll(connection, row, after):
                return  # another engine has it, or it is off
            if polled.found:
                await insert_runs(connection, _runs(row, polled.found, now, together=together))
        if polled.found:
            await self._settle(look, polled.found)

    async def _settle(self, look: _Look, found: Sequence[Found]) -> None:
        try:
            async with asyncio.timeout(_LONGEST_POLL.total_seconds()):
                await look.trigger.settle(look.parameters, found, look.outside)
        except (NodeError, TimeoutError) as error:
            said = look.outside.credentials.hide(str(error))
            log.warning("poll_not_settled", trigger_id=look.row.id, because=said)

    async def _failed(self, row: LiveTrigger, message: str, interval: timedelta) -> None:
        """Say what went wrong, and look again later than the last time."""
        failures = row.poll_failures + 1
        pause = min(interval * 2 ** min(failures, _MOST_DOUBLINGS), _LONGEST_BACK_OFF)
        after = replace(
            row,
            next_poll_at=self._clock.now() + max(pause, interval),
            poll_failures=failures,
            poll_error=message[:_LONGEST_ERROR],
        )
        log.info("poll_failed", trigger_id=row.id, type=row.type, failures=failures)
        async with self._database.transaction() as connection:
            await triggers.end_poll(connection, row, after)

    async def _poll_all(self) -> datetime:
        """Poll whatever is due, and say when to look again."""
        while await self.poll_due() == AT_ONCE:
            pass
        async with self._database.transaction() as connection:
            due_at = await triggers.find_next_poll_at(connection)
        return self._rounds.next_look(due_at)


def _runs(
    row: LiveTrigger, found: Sequence[Found], now: datetime, *, together: bool
) -> list[NewRun]:
    groups = [found] if together else [[one] for one in found]
    return [
        NewRun(
            id=new_id("run"),
            tenant_id=row.tenant_id,
            workflow_id=row.workflow_id,
            version=row.version,
            mode="live",
            trigger=row.type,
            trigger_node_id=row.node_id,
            input=orjson.dumps([_readable(one.item) for one in group]).decode(),
            created_at=now,
            trigger_id=row.id,
            idempotency_key=_key(row, group),
        )
        for group in groups
    ]


def _readable(value: Any) -> Any:
    """A value whose texts are texts: what others write holds halves of signs now and then."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        fields = cast("JsonObject", value)
        return {_readable(name): _readable(inner) for name, inner in fields.items()}
    if isinstance(value, list):
        return [_readable(inner) for inner in cast("list[Any]", value)]
    return value


def _key(row: LiveTrigger, found: Sequence[Found]) -> str:
    """The same for the same findings, however often and by whomever they are found."""
    digest = hashlib.sha256(
        "\0".join(one.key for one in found).encode("utf-8", "replace")
    ).hexdigest()[:40]
    return f"poll:{row.workflow_id}:{row.node_id}:{digest}"

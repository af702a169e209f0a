"""Tells people of questions and reminds them: takes due notices, sends them, says when again.

Any number of engines run this loop, and none asks again and again: each sleeps until the next
notice is due, and PostgreSQL hints at new ones. A due row belongs to whoever locks it first, for as
long as a lease: what its engine was about to send when it died goes out once more after that, under
the same message id. What cannot be sent is tried again, later each time; the question stays open
whatever becomes of its messages.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from engine_service.asking.delivery import Delivery
from engine_service.asking.links import Links
from engine_service.sdk.node import Credentials, Failed, NodeError
from engine_service.store import notices
from engine_service.store.approvals import StoredApproval
from engine_service.store.notices import StoredNotice
from engine_service.triggering.rounds import Rounds
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError
from shared.notifications import Notifications

log = structlog.get_logger()

BATCH = 20
_LEASE = timedelta(minutes=3)
_PATIENCE_SECONDS = 120.0
_POLL = timedelta(minutes=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
_MOST_FAILURES = 12
_LONGEST_ERROR = 500


class CredentialSource(Protocol):
    """Where credentials come from; engine_service/vault/keychain.py is the real one."""

    def of(self, tenant_id: str, references: Mapping[str, str]) -> Credentials:
        """What a node refers to, in its tenant."""
        ...


class Postman:
    """The loop.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        keychain: CredentialSource,
        delivery: Delivery,
        links: Links,
        clock: Clock,
    ) -> None:
        self._database = database
        self._keychain = keychain
        self._delivery = delivery
        self._links = links
        self._clock = clock
        self._rounds = Rounds("postman", notifications, notices.CHANNEL, clock, _POLL)

    async def run(self) -> None:
        """Send until cancelled; a database that is away is waited for."""
        await self._rounds.run(self._send_all)

    async def send_due(self) -> int:
        """Send what is due now; how many notices there were to be sent."""
        async with self._database.transaction() as connection:
            taken = await notices.take_due(connection, self._clock.now(), _LEASE, BATCH)
        async with asyncio.TaskGroup() as group:
            for notice, asked in taken:
                group.create_task(self._deliver(notice, asked))
        return len(taken)

    async def _deliver(self, notice: StoredNotice, asked: StoredApproval) -> None:
        credentials = self._keychain.of(notice.tenant_id, notice.credentials)
        url = self._links.url(asked, notice.approver)
        failed = None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._delivery.send(notice, asked, url, credentials)
        except NodeError as error:
            failed = error.failure
        except TimeoutError:
            failed = Failed("timeout", "It took too long.", retryable=True)
        except AppError as error:
            failed = Failed(error.code.lower(), error.message, error.retryable)
        except Exception as error:  # one message's trouble must not keep the others
            log.error("notice_broke", notice_id=notice.id, exc_info=error)
            failed = Failed("internal_error", "Something went wrong inside.", retryable=True)
        now = self._clock.now()
        after = _sent(notice, now) if failed is None else _failed(notice, failed, now)
        if failed is not None:
            error = credentials.hide(after.error)
            after = replace(after, error=error)
            log.warning("notice_not_sent", notice_id=notice.id, code=failed.code)
        async with self._database.transaction() as connection:
            await notices.save_notice(connection, notice, after)

    async def _send_all(self) -> datetime:
        """Send whatever is due, and say when to look again."""
        while await self.send_due() == BATCH:
            pass
        async with self._database.transaction() as connection:
            due_at = await notices.find_next_due_at(connection)
        return self._rounds.next_look(due_at)


def _sent(notice: StoredNotice, now: datetime) -> StoredNotice:
    again = notice.every_seconds if notice.reminders > 0 else None
    return replace(
        notice,
        due_at=None if again is None else now + timedelta(seconds=again),
        reminders=max(notice.reminders - 1, 0),
        sent=notice.sent + 1,
        failures=0,
        error="",
        sent_at=now,
    )


def _failed(notice: StoredNotice, failed: Failed, now: datetime) -> StoredNotice:
    """Tried again, unless that cannot help; a reminder is another chance all the same."""
    failures = notice.failures + 1
    pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE)
    due_at: datetime | None = now + max(pause, timedelta(seconds=failed.retry_after or 0))
    if not failed.retryable or failures >= _MOST_FAILURES:
        again = notice.every_seconds if notice.reminders > 0 else None
        due_at = None if again is None else now + timedelta(seconds=again)
        notice = replace(notice, reminders=max(notice.reminders - 1, 0))
        failures = 0
    return replace(notice, due_at=due_at, failures=failures, error=failed.message[:_LONGEST_ERROR])

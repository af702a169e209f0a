"""The part of an engine that works on runs: journal, claims, activations and what keeps them going.

Everything is built here by hand, in order; `server.py` adds the doors. Several workers on one
PostgreSQL share the work, whether or not they are in one process.
"""

import asyncio
import os
import socket
from dataclasses import dataclass, field, replace

from engine_service import dispatch
from engine_service.catalogue import Catalogue
from engine_service.definitions.program import Programs
from engine_service.expressions import Evaluator
from engine_service.running.activation import Workshop
from engine_service.running.activations import Activations
from engine_service.running.calls import Calls
from engine_service.running.execute import Executor, World
from engine_service.running.feed import Feed
from engine_service.running.housekeeping import keep_house
from engine_service.running.journal import Journal
from engine_service.running.keeping import Limits
from engine_service.running.surroundings import Surroundings
from engine_service.store.hints import CHANNEL, HintKind, parse
from shared.clock import Clock
from shared.database import Database
from shared.ids import new_id
from shared.notifications import Notifications


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works; settings.py says what each means."""

    runs: int = 200
    effects: int = 100
    effects_per_run: int = 16
    lease_seconds: int = 3
    poll_seconds: float = 1.0
    limits: Limits = field(default_factory=Limits)
    expression_env: str = ""
    lag_log_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Databases:
    """The engine's two faces to PostgreSQL: `app` acts for callers, `worker` for the engine."""

    app: Database
    worker: Database


class Worker:
    """Works on runs from `run` until it is cancelled; drain it first."""

    def __init__(
        self,
        databases: Databases,
        catalogue: Catalogue,
        world: World,
        evaluator: Evaluator,
        clock: Clock,
        options: WorkerOptions,
    ) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{new_id('w')}"
        self.feed = Feed(databases.app)
        self.programs = Programs(databases.worker, catalogue)
        self.notifications = Notifications(databases.worker)
        self.notifications.on(CHANNEL, self._heed)
        self._database = databases.worker
        self._tell_every = options.lag_log_seconds
        self._claims = dispatch.Claims(databases.worker, self.name, options.lease_seconds)
        self._activations = Activations(options.runs)
        self.journal = Journal(
            databases.worker,
            self.feed,
            self._claims,
            room=self._activations.room,
            take=self._activations.take,
            poll=options.poll_seconds,
        )
        self.calls = Calls(databases.app, catalogue, self.journal.start, self.feed, clock)
        world = replace(world, calls=self.calls)
        self._shop = Workshop(
            database=databases.worker,
            programs=self.programs,
            executor=Executor(world, evaluator, clock, options.limits),
            journal=self.journal,
            calls=self.calls,
            claims=self._claims,
            clock=clock,
            surroundings=Surroundings(databases.worker, options.expression_env, os.environ),
            effects=asyncio.Semaphore(options.effects),
            effects_per_run=options.effects_per_run,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._activations.run(self._shop))
            group.create_task(self.journal.run())
            group.create_task(self._claims.keep())
            group.create_task(self.notifications.run())
            group.create_task(self.feed.look_after())
            group.create_task(keep_house(self._database, self._shop.clock, self._tell_every))

    async def drain(self, seconds: float) -> None:
        """Take up nothing more; finish what is under way, or hand it over."""
        await self._activations.drain(seconds)

    def _heed(self, payload: str) -> None:
        """Act upon a hint; while none is heard, polls make up for them."""
        hint = parse(payload)
        if hint is None:
            return
        match hint.kind:
            case HintKind.NEWS if hint.origin != self.name:
                self.feed.hint(hint.run_ids)
            case HintKind.NEWS:
                pass  # our followers know already
            case HintKind.WORK:
                self.journal.look()
            case HintKind.SIGNAL:
                self._activations.signal(hint.run_ids)
                self.journal.look()
            case HintKind.CANCEL:
                self._activations.stop(hint.run_ids)

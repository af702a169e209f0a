"""The runs this process works on at the moment: takes them up, finds them, lets them go.

Claimed runs come in from the journal; each becomes a task. Signals and cancellations that are
heard of are passed on. Draining takes up nothing more, lets what is under way come to its end or
its parking, and hands the rest over.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from engine_service.metrics import ACTIVE
from engine_service.running.activation import Activation, Workshop
from engine_service.store.journal import ClaimedRun
from shared.errors import Unavailable

log = structlog.get_logger()


class Activations:
    """All activations of a process.

    Args:
        most: How many runs are worked on at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._running: dict[str, tuple[Activation, asyncio.Task[None]]] = {}
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._shop: Workshop | None = None
        self._group: asyncio.TaskGroup | None = None

    def room(self) -> int:
        """How many more runs can be taken up now."""
        return 0 if self._draining else self._most - len(self._running)

    async def run(self, shop: Workshop) -> None:
        """Keep the activations until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._shop, self._group = shop, group
            await asyncio.get_running_loop().create_future()

    def take(self, runs: Sequence[ClaimedRun]) -> None:
        """Take up runs that were claimed."""
        assert self._shop is not None
        assert self._group is not None
        for run in runs:
            activation = Activation(run, self._shop)
            task = self._group.create_task(self._work(activation), name=run.id)
            self._running[run.id] = activation, task
            self._shop.claims.hold(run.claim, lost=_canceller(task))
        self._idle.clear()
        ACTIVE.set(len(self._running))

    def signal(self, run_ids: Iterable[str]) -> None:
        """Answers came for nodes of these runs."""
        for run_id in run_ids:
            if found := self._running.get(run_id):
                found[0].signal()

    def stop(self, run_ids: Iterable[str]) -> None:
        """These runs were ended by others; what they are doing stops at once."""
        for run_id in run_ids:
            if found := self._running.get(run_id):
                found[1].cancel()

    async def drain(self, seconds: float) -> None:
        """Take up nothing more, and return when nothing is under way any more.

        What has not come to its end within `seconds` is stopped and handed over.
        """
        self._draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            rest = list(self._running.values())
            log.info("runs_handed_over", count=len(rest))
            for _, task in rest:
                task.cancel()
            await asyncio.wait([task for _, task in rest])
            await asyncio.gather(*(activation.hand_over() for activation, _ in rest))

    async def _work(self, activation: Activation) -> None:
        run_id = activation.run.id
        try:
            await activation.go()
        except* Unavailable as unavailable:
            log.warning("run_let_go", run_id=run_id, because=str(unavailable.exceptions[0]))
        except* Exception as broken:  # one run's trouble must not reach the others
            log.error("activation_broke", run_id=run_id, exc_info=broken)
        finally:
            self._left(run_id, activation)

    def _left(self, run_id: str, activation: Activation) -> None:
        found = self._running.get(run_id)
        if found is not None and found[0] is activation:
            del self._running[run_id]
        ACTIVE.set(len(self._running))
        if not self._running:
            self._idle.set()
        if self._shop is not None and self._shop.journal.is_behind:
            self._shop.journal.look()


def _canceller(task: "asyncio.Task[None]") -> Callable[[], None]:
    def cancel() -> None:
        task.cancel()

    return cancel

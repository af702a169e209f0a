"""Workflows that anybody may call, and that say nothing: for tests of nodes that call some."""

from collections.abc import Awaitable, Callable

from engine_service.sdk.node import Callee, ChildEnd, ChildRun, Failed, NodeError
from shared.errors import Unavailable
from shared.workflow import Item, JsonObject


class OtherWorkflows:
    """What can be called, in a world that answers, hangs or fails as `reach` does."""

    def __init__(self, reach: Callable[[], Awaitable[object]]) -> None:
        self._reach = reach

    async def find(self, wanted: str) -> Callee:
        await self._touch()
        return Callee("wf_1", wanted, 1, "start")

    async def compose(self, definition: JsonObject) -> Callee:
        return await self.find(str(definition.get("name", "")))

    def form(self, callee: Callee) -> JsonObject | None:
        del callee
        return None

    def child(self, callee: Callee, items: list[Item]) -> ChildRun:
        return ChildRun(callee, items)

    async def start(self, child: ChildRun, key: str = "") -> str:
        await self._touch()
        return f"run_{child.callee.version}{key}"

    async def run(self, child: ChildRun, key: str = "") -> ChildEnd:
        return ChildEnd(await self.start(child, key), "completed", [])

    async def _touch(self) -> None:
        try:
            await self._reach()
        except Unavailable as error:
            raise NodeError(Failed("unavailable", error.message, retryable=True)) from error

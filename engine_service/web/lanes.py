"""Connections that are kept and used again, each in a pool of its own.

httpcore's pool looks at every connection it has for every request that begins or ends; with fifty
of them that takes ten times as long as the request. A lane is a pool of one connection: who wants
to send takes an idle lane to the same place, the one used last, or opens another.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpcore2

Place = tuple[str, str, int, bool]
"""Scheme, host, port, and whether TLS is verified."""

Lane = httpcore2.AsyncConnectionPool


class Lanes:
    """All lanes of a client.

    Args:
        build: Makes a lane for a place.
        most: How many may be in use at once; others wait for their turn.
        idle: How many are kept when nobody uses them.
    """

    def __init__(self, build: Callable[[Place], Lane], most: int, idle: int) -> None:
        self._build = build
        self._turn = asyncio.Semaphore(most)
        self._most_idle = idle
        self._idle: OrderedDict[Lane, Place] = OrderedDict()

    @asynccontextmanager
    async def to(self, place: Place) -> AsyncGenerator[Lane]:
        """A lane to a place, which nobody else uses meanwhile."""
        async with self._turn:
            lane = self._find(place) or self._build(place)
            try:
                yield lane
            finally:
                self._idle[lane] = place
                if len(self._idle) > self._most_idle:
                    oldest, _ = self._idle.popitem(last=False)
                    await oldest.aclose()

    async def close(self) -> None:
        """Close every lane that is not in use."""
        while self._idle:
            lane, _ = self._idle.popitem()
            await lane.aclose()

    def _find(self, place: Place) -> Lane | None:
        for lane in reversed(self._idle):
            if self._idle[lane] == place:
                del self._idle[lane]
                return lane
        return None

"""What stands before the gateways: new connections go to those that are registered, in turn.

Like a load balancer in front of ECS it is told that a gateway goes before the gateway is told; what
is connected already stays until the gateway itself has ended it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from cli.embedded.ports import LOOPBACK

_CHUNK = 65536


@dataclass(slots=True)
class Balancer:
    """Such a balancer.

    Attributes:
        registered: The ports of the gateways that get new connections.
    """

    url: str = ""
    registered: list[int] = field(default_factory=list[int])
    _turn: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one caller's connection with one to a gateway."""
        self._turn += 1
        port = self.registered[self._turn % len(self.registered)]
        self._open.add(writer)
        try:
            inward, outward = await asyncio.open_connection(LOOPBACK, port)
            await asyncio.gather(_pass_on(reader, outward), _pass_on(inward, writer))
        except OSError:
            pass  # the caller sees its connection end, and counts that
        finally:
            self._open.discard(writer)
            writer.close()

    def close(self) -> None:
        """Cut off who is still connected."""
        for writer in self._open:
            writer.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    finally:
        with suppress(OSError):
            target.close()


@asynccontextmanager
async def balancing() -> AsyncGenerator[Balancer]:
    """A balancer with nobody behind it yet."""
    balancer = Balancer()
    server = await asyncio.start_server(balancer.serve, LOOPBACK, 0)
    async with server:
        balancer.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        yield balancer
        balancer.close()

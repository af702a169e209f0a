"""The world that the runs touch: a server that does each effect once per idempotency key."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_KEY = b"idempotency-key:"


@dataclass(slots=True)
class Effects:
    """What was done.

    Attributes:
        requests: By key, how many requests came; more than one were repeated under their key.
        keyless: Requests that named no key.
    """

    authority: str = ""
    requests: Counter[str] = field(default_factory=Counter[str])
    keyless: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, each after a little while."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                await reader.readexactly(_length(lines))
                self._note(lines)
                await asyncio.sleep(random.uniform(0.005, 0.05))
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _note(self, lines: list[bytes]) -> None:
        keys = [line[len(_KEY) :].strip() for line in lines if line.lower().startswith(_KEY)]
        if keys:
            self.requests[keys[0].decode()] += 1
        else:
            self.keyless += 1


def _length(lines: list[bytes]) -> int:
    lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
    return int(lengths[0].partition(b":")[2]) if lengths else 0


@asynccontextmanager
async def counting() -> AsyncGenerator[Effects]:
    """Such a server on loopback."""
    effects = Effects()
    server = await asyncio.start_server(effects.serve, "127.0.0.1", 0)
    async with server:
        effects.authority = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield effects

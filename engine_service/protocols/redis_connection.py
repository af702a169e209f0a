"""Redis' own client, on a socket of ours; imported when somebody connects."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio.connection import Connection


def ready() -> None:
    """Called from a thread, this is where the client is imported."""


class Pinned(Connection):
    """A connection over a socket that is connected already; TLS is for the host's name."""

    def __init__(self, *, over: Mapping[str, Any], **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - as redis types it
        self._over = over

    def _connection_arguments(self) -> Mapping[str, Any]:
        return self._over

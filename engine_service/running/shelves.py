"""The operator's Redis as a shelf for each tenant, whose name stands before whatever it keeps.

The address is the operator's own, so it passes the guard; nodes are told neither it nor why it
cannot be reached.
"""

from collections.abc import Awaitable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from engine_service.protocols.redis import RedisFields
from engine_service.protocols.shelves import RedisShelf
from engine_service.sdk.failure import Failed, NodeError
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork

T = TypeVar("T")
_SCHEMES = {"redis": "none", "rediss": "tls"}


class Shelves:
    """The shelves of all tenants.

    Args:
        url: redis://[USER]:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS.

    Raises:
        ValueError: It is not such an address; the message does not tell it.
    """

    def __init__(self, url: str) -> None:
        self._account = account_of(url)

    @cached_property
    def _network(self) -> GuardedNetwork:
        """Made when somebody needs it: it reads all the certificates that the machine trusts."""
        account = self._account
        place = f"[{account.host}]" if ":" in account.host else account.host
        return GuardedNetwork(AllowList.parse([f"{place}:{account.port}"]))

    def of(self, tenant_id: str) -> "TenantShelf":
        """A tenant's own."""
        prefix = f"flowloom:memory:{quote(tenant_id, safe='')}:"
        return TenantShelf(RedisShelf(self._network, self._account, prefix))


def account_of(url: str) -> RedisFields:
    """Where a Redis is, and who signs in there.

    Raises:
        ValueError: It is not such an address.
    """
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if parts.scheme not in _SCHEMES or not parts.hostname or not (path or "0").isdigit():
        raise ValueError("expected redis://USER:PASSWORD@HOST:PORT/DATABASE")
    return RedisFields.model_validate(
        {
            "host": parts.hostname,
            "port": parts.port or 6379,
            "database": int(path or 0),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "security": _SCHEMES[parts.scheme],
        }
    )


class TenantShelf:
    """A tenant's; implements `memory.Shelf`."""

    def __init__(self, shelf: RedisShelf) -> None:
        self._shelf = shelf

    async def read(self, name: str) -> Mapping[str, str]:
        return await _told(self._shelf.read(name))

    async def add(self, name: str, key: str, value: str, seconds: int) -> None:
        await _told(self._shelf.add(name, key, value, seconds))

    async def remove(self, name: str, keys: Sequence[str]) -> None:
        await _told(self._shelf.remove(name, keys))


async def _told(work: Awaitable[T]) -> T:
    """What work comes to; what is wrong with the operator's server is no business of tenants."""
    try:
        return await work
    except NodeError as error:
        message = "The memory in Redis is away for the moment."
        raise NodeError(Failed("memory_away", message, retryable=True)) from error

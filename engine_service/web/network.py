"""Connections for protocols other than HTTP: mail, databases, stores of keys.

The same guard as for requests: a host is resolved once, every address it has must be allowed, and
what was checked is what is connected to; the name stays for TLS. What goes wrong is told as a
`NodeError`: address_refused or connect_failed.
"""

import asyncio
import socket
import ssl

import aiohappyeyeballs

from engine_service.sdk.node import Failed, NodeError, Place
from engine_service.web.addresses import AllowList, Guard, Resolver, canonical_host, resolve

CONNECT_SECONDS = 10.0
_NEXT_ADDRESS_AFTER = 0.25


class GuardedNetwork:
    """Connects; implements `node.Network`."""

    def __init__(
        self,
        allowed: AllowList,
        *,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a network.

        Args:
            allowed: Inner places that may be reached.
            resolver: Turns names into addresses.
            tls: How certificates are verified; the machine's trust store when not given.
        """
        self._guard = Guard(allowed, resolver)
        self._verified = tls or ssl.create_default_context()
        self._unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._unverified.check_hostname = False
        self._unverified.verify_mode = ssl.CERT_NONE

    async def reach(self, host: str, port: int) -> Place:
        name = canonical_host(host.removeprefix("[").removesuffix("]"))
        return Place(name, port, await self._guard.addresses_of(name, port))

    async def connect(self, host: str, port: int) -> socket.socket:
        place = await self.reach(host, port)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType] - its addresses are of any family
                    [_info(address, port) for address in place.addresses],
                    happy_eyeballs_delay=_NEXT_ADDRESS_AFTER,
                )
        except TimeoutError as error:
            reason = f"no answer within {CONNECT_SECONDS:g} seconds"
            raise _unconnected(place, reason) from error
        except OSError as error:
            raise _unconnected(place, error.strerror or str(error)) from error

    def tls(self, *, verify: bool = True) -> ssl.SSLContext:
        return self._verified if verify else self._unverified


def _info(address: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def _unconnected(place: Place, reason: str) -> NodeError:
    message = f"Could not connect to {place.host}:{place.port}: {reason}."
    return NodeError(Failed("connect_failed", message, retryable=True))

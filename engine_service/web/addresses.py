"""Where outgoing requests may go: the guard against requests forged to reach inner addresses.

A URL comes in, in whatever spelling; a `Target` goes out whose host has one canonical spelling,
or the request is refused. Names are resolved once, by the connection itself, and every address
they have must be public: what was checked is what is connected to. Operators may allow hosts,
ports and networks of their own; the checks apply again to each redirect.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

import idna

from engine_service.sdk.node import Failed, NodeError

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AMBIGUOUS = re.compile(r"[\\\s@]")
_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_INNER_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan")
# IANA's special-purpose registries. The standard library has them too, but differently in each
# version. The last one is public by its number, yet answered by the cloud an engine may run in.
_INNER_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",
    )
)  # fmt: skip
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_INNER_IPV6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, in one canonical spelling; `host` without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def refused(message: str) -> NodeError:
    """The failure of a request that may not be sent."""
    return NodeError(Failed("address_refused", message))


def _inner(host: str, port: int, why: str) -> NodeError:
    """The failure of a request to an inner place, and what lets it pass all the same."""
    shown = f"[{host}]" if ":" in host else host
    return refused(
        f"{host} {why}; such requests are not sent unless the operator names {shown}:{port} in "
        "ENGINE_ALLOWED_HOSTS."
    )


def read_target(url: str) -> Target:
    """The one meaning of a URL.

    Raises:
        NodeError: It is no plain http(s) URL, or different programs could read it differently.
    """
    if _CONTROL.search(url):
        raise refused("The URL holds control characters.")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise refused(f"The URL is malformed: {error}.") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise refused("Only http and https URLs can be requested.")
    if _AMBIGUOUS.search(parts.netloc):
        # Users, passwords and backslashes before the host are read differently by different
        # programs; authentication has parameters of its own.
        raise refused("The URL holds an @, a backslash or a space where its host is.")
    host = canonical_host(parts.hostname or "")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], _path_of(parts))


def _path_of(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def canonical_host(host: str) -> str:
    """A host name in its one spelling: lower case ASCII, or an address in the usual form.

    Raises:
        NodeError: It is neither a name nor an address.
    """
    if ":" in host:
        return _canonical_ipv6(host)
    if not host or "%" in host:
        raise refused("The URL's host is missing, or written with percent signs.")
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise refused(f"The host is no valid name: {error}.") from error
    name = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_read_ipv4(name))
    if not _NAME.fullmatch(name):
        raise refused("The host is no valid name.")
    return name


def _canonical_ipv6(host: str) -> str:
    if "%" in host:
        raise refused("Addresses with a zone cannot be requested.")
    try:
        return str(IPv6Address(host))
    except ValueError as error:
        raise refused("The host is no valid IPv6 address.") from error


def _read_ipv4(host: str) -> IPv4Address:
    """An IPv4 address in any spelling that some C library takes: parts may be hex or octal."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise refused("The host is no valid IPv4 address.")
    try:
        numbers = [_read_number(part) for part in parts]
    except ValueError as error:
        raise refused("The host is no valid IPv4 address.") from error
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
        raise refused("The host is no valid IPv4 address.")
    value = last
    for position, number in enumerate(leading):
        value += number << (8 * (3 - position))
    return IPv4Address(value)


def _read_number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") and text != "0" else int(text)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could connect to the address, tunnels looked through."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INNER_IPV4)
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _INNER_IPV6)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to by translation or tunnel."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    in_tunnel = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if in_tunnel or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


@dataclass(frozen=True, slots=True)
class AllowList:
    """Inner places that the operator lets requests reach.

    Attributes:
        hosts: Names or addresses, with a port or, where it is None, on any.
        networks: Whole networks, on any port.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowList":
        """Read `host`, `host:port` and CIDR entries; IPv6 addresses with a port in brackets.

        Raises:
            ValueError: An entry is none of these.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in (entry.strip() for entry in entries):
            if "/" in entry:
                networks.append(ip_network(entry))
            elif entry:
                hosts.add(_read_entry(entry))
        return cls(frozenset(hosts), tuple(networks))

    def names(self, host: str, port: int) -> bool:
        return (host, port) in self.hosts or (host, None) in self.hosts

    def holds(self, address: Address) -> bool:
        return any(
            address in network for network in self.networks if network.version == address.version
        )


def _read_entry(entry: str) -> tuple[str, int | None]:
    if entry.count(":") > 1 and not entry.startswith("["):
        return str(IPv6Address(entry)), None
    parts = urlsplit(f"//{entry}")
    if not parts.hostname or parts.path or parts.query:
        raise ValueError(f"{entry!r} is neither a host, host:port nor a network")
    try:
        return canonical_host(parts.hostname), parts.port
    except NodeError as error:
        raise ValueError(f"{entry!r}: {error}") from error


class Guard:
    """Decides which addresses a host may be reached at."""

    def __init__(self, allowed: AllowList, resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver

    async def addresses_of(self, host: str, port: int) -> Sequence[str]:
        """The addresses to connect to, all of them checked.

        Raises:
            NodeError: The host is an inner one, or one of its addresses is; or it has none.
        """
        self.check_host(host, port)
        if _read_address(host) is not None:
            return [host]
        try:
            found = await self._resolver(host, port)
        except OSError as error:
            raise _unresolved(host) from error
        addresses = [ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise _unresolved(host)
        self._check(host, port, addresses)
        return [str(address) for address in addresses]

    def check_host(self, host: str, port: int) -> None:
        """Refuse what is inner by its spelling alone, without asking any resolver.

        Raises:
            NodeError: The host is an inner address, or a name that only inner hosts have.
        """
        literal = _read_address(host)
        if literal is not None:
            self._check(host, port, [literal])
            return
        inner = host.endswith(_INNER_SUFFIXES) or "." not in host
        if inner and not self._allowed.names(host, port):
            raise _inner(host, port, "is the name of an inner host")

    def _check(self, host: str, port: int, addresses: Sequence[Address]) -> None:
        # One inner address among public ones is an attack or a mistake; neither gets through.
        allowed = self._allowed.names(host, port)
        for address in addresses:
            if not (allowed or is_public(address) or self._allowed.holds(address)):
                raise _inner(host, port, "leads to an inner address")


def _read_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _unresolved(host: str) -> NodeError:
    return NodeError(Failed("connect_failed", f"{host} has no address.", retryable=True))


async def resolve(host: str, port: int) -> Sequence[str]:
    """The machine's own resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))

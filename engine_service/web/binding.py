"""Where a credential may be shown: the hosts it is bound to.

An entry is a host (`api.example.com`), all hosts below a name (`*.example.com`), or either with a
port. That means TLS; plain text has to be asked for in so many words (`http://10.1.2.3:8080`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from engine_service.sdk.node import NodeError
from engine_service.web.addresses import DEFAULT_PORTS, canonical_host


@dataclass(frozen=True, slots=True)
class _Place:
    scheme: str
    host: str
    port: int
    below: bool

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != (self.scheme, self.port):
            return False
        return host.endswith(f".{self.host}") if self.below else host == self.host


@dataclass(frozen=True, slots=True)
class Binding:
    """A set of places."""

    places: tuple[_Place, ...]

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Binding":
        """Read entries.

        Raises:
            ValueError: One of them is none; the message says which and why.
        """
        return cls(tuple(_read(entry) for entry in entries))

    def covers(self, scheme: str, host: str, port: int) -> bool:
        """Whether a place, its host spelled canonically, is among these."""
        return any(place.covers(scheme, host, port) for place in self.places)


def host_of(url: str) -> str:
    """The entry that stands for where a URL leads; empty when it is no URL."""
    parts = urlsplit(url)
    plain = "http://" if parts.scheme == "http" else ""
    return f"{plain}{parts.netloc}" if parts.netloc else ""


def _read(entry: str) -> _Place:
    text = entry.strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f"{entry!r} is neither http nor https")
    below = rest.startswith("*.")
    try:
        parts = urlsplit(f"//{rest.removeprefix('*.')}")
        host, port = canonical_host(parts.hostname or ""), parts.port
    except (NodeError, ValueError) as error:
        raise ValueError(f"{entry!r} is no host: {error}") from error
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{entry!r} says more than a host and a port")
    if below and ("." not in host or _is_address(host)):
        raise ValueError(f"{entry!r} stands for too much; name a domain such as *.example.com")
    return _Place(scheme, host, port or DEFAULT_PORTS[scheme], below)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

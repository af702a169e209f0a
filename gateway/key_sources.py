"""Keys of other authorities: published by them as a JWK set, or shared as a secret.

A published set is fetched when first needed, kept for minutes, and fetched again for a key that
is not in it, though not more often than every half minute. While the authority is away the last set
serves on.
"""

import asyncio
import time
import urllib.request
from collections.abc import Sequence

import orjson
import structlog

from gateway.jws import Header, Key, UnfitKey, read_keys
from shared.errors import Unavailable

log = structlog.get_logger()

_KEEP_SECONDS = 600.0
_PAUSE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 1.0
_TIMEOUT_SECONDS = 5.0
_MAX_BYTES = 1_000_000


class SharedSecret:
    """The one HS256 key of an authority that signs with a secret."""

    def __init__(self, key: Key) -> None:
        self._keys = (key,)

    async def find_keys(self, header: Header) -> Sequence[Key]:
        del header
        return self._keys


class PublishedKeys:
    """The keys that an authority publishes.

    Args:
        url: Address of its JWK set.
        besides: A key that it also signs with and does not publish.
    """

    def __init__(self, url: str, besides: Sequence[Key] = ()) -> None:
        self._url = url
        self._besides = tuple(besides)
        self._published: tuple[Key, ...] = ()
        self._fetched_at = -_KEEP_SECONDS
        self._tried_at = -_PAUSE_SECONDS
        self._fetching = asyncio.Lock()

    async def find_keys(self, header: Header) -> Sequence[Key]:
        """The keys of this algorithm.

        Raises:
            Unavailable: No set could ever be fetched.
        """
        if header.algorithm == "HS256":
            return self._besides
        if self._is_stale(header):
            async with self._fetching:
                if self._is_stale(header):
                    await self._fetch()
        if not self._published:
            raise Unavailable("The keys that sign access tokens cannot be fetched at the moment.")
        return self._published

    def _is_stale(self, header: Header) -> bool:
        now = time.monotonic()
        if now - self._tried_at < (_PAUSE_SECONDS if self._published else _FIRST_PAUSE_SECONDS):
            return False
        unseen = all(key.kid != header.kid for key in self._published)
        return unseen or now - self._fetched_at > _KEEP_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            fetched = read_keys(orjson.loads(await asyncio.to_thread(self._download)))
        except (OSError, ValueError, UnfitKey) as error:
            log.warning("keys_not_fetched", url=self._url, error=str(error))
            return
        # A set that publishes a secret would let everybody sign.
        self._published = tuple(key for key in fetched if key.algorithm != "HS256")
        self._fetched_at = self._tried_at

    def _download(self) -> bytes:
        with urllib.request.urlopen(self._url, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.read(_MAX_BYTES)

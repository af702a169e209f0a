"""Redis: atomic scripts, run at once or not at all.

A script that cannot run soon raises Unavailable, and for a moment every other one does so without
trying: what Redis gives (limits, remembered answers) must never slow a request down.
"""

import time
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gateway.metrics import REDIS_FAILURES
from shared.errors import Unavailable

log = structlog.get_logger()

_CONNECTIONS = 16
_TIMEOUT_SECONDS = 0.5
_PAUSE_SECONDS = 1.0


class Script:
    """A Lua script and the name Redis knows it by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Runs scripts on one Redis.

    Args:
        url: `redis://` or `rediss://` URL.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] (untyped keyword arguments)
                url,
                max_connections=_CONNECTIONS,
                timeout=_TIMEOUT_SECONDS,
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
                # A pooled connection may have died with the last Redis: once more on a new one.
                retry=Retry(NoBackoff(), 1),
            )
        )
        self._paused_until = 0.0

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script; what it returns.

        Raises:
            Unavailable: Redis is away, or was a moment ago.
        """
        if time.monotonic() < self._paused_until:
            raise Unavailable("Redis is away for the moment.")
        try:
            try:
                return await self._redis.evalsha(script.digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return await self._redis.eval(script.text, len(keys), *keys, *arguments)
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            REDIS_FAILURES.inc()
            log.warning("redis_away", error=str(error))
            raise Unavailable("Redis is away for the moment.") from error

    async def ping(self) -> None:
        """Return if Redis answers.

        Raises:
            Unavailable: It does not.
        """
        try:
            await self._redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues] (typed for both kinds of client)
        except (RedisError, OSError) as error:
            raise Unavailable("Redis is away for the moment.") from error

    async def close(self) -> None:
        await self._redis.aclose()

"""Rate limits: so much per window, for an address, a user or a hook; counted in Redis, atomically.

Each bucket follows the generic cell rate algorithm, whose whole state is one time. A request that
several buckets govern takes from all of them or from none, in one round trip. When Redis is away
requests pass, and a metric says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from gateway.metrics import LIMITED, UNCOUNTED
from gateway.scripts import Script, Scripts
from shared.errors import LimitReached, Unavailable

LimitName = Literal["public", "login", "api", "chat", "run", "hook", "mcp"]


@dataclass(frozen=True, slots=True)
class Quota:
    """`amount` requests per `seconds`."""

    amount: int
    seconds: int

    def __str__(self) -> str:
        """As settings spell it."""
        spelt = {1: "s", 60: "min", 3600: "h", 86_400: "d"}
        return f"{self.amount}/{spelt.get(self.seconds, f'{self.seconds}s')}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a bucket stands after a request.

    Attributes:
        remaining: What is left at once.
        reset_seconds: After how long the whole amount is there again.
        retry_seconds: After how long one more would pass; 0 when it passed.
    """

    name: LimitName
    quota: Quota
    remaining: int
    reset_seconds: float
    retry_seconds: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields RateLimit-Policy and RateLimit, as structured fields."""
        policy = f'"{self.name}";q={self.quota.amount};w={self.quota.seconds}'
        state = f'"{self.name}";r={self.remaining};t={math.ceil(self.reset_seconds)}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]


# KEYS: one bucket each. ARGV: per bucket its amount and its window in milliseconds. A bucket holds
# the time at which it would be full again; a request moves that time by one emission interval and
# passes while it stays within a window from now.
_TAKE = Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local answer, passes = {}, true
for i, key in ipairs(KEYS) do
  local interval = ARGV[2 * i] / ARGV[2 * i - 1]
  local full_at = math.max(tonumber(redis.call('GET', key) or now), now)
  local wait = full_at + interval - now - ARGV[2 * i]
  if wait > 0.001 then passes = false else wait = 0 end
  answer[i] = {full_at, interval, wait}
end
local told = {}
for i, key in ipairs(KEYS) do
  local full_at, interval = answer[i][1], answer[i][2]
  if passes then
    full_at = full_at + interval
    redis.call('SET', key, string.format('%.3f', full_at), 'PX', math.ceil(full_at - now) + 1)
  end
  local remaining = math.floor((ARGV[2 * i] - (full_at - now)) / interval + 0.001)
  told[i] = {math.max(remaining, 0), math.ceil(full_at - now), math.ceil(answer[i][3])}
end
return told
""")


class Limits:
    """The buckets of this gateway's callers.

    Args:
        quotas: The amount of each limit.
    """

    def __init__(self, scripts: Scripts, quotas: Mapping[LimitName, Quota]) -> None:
        self._scripts = scripts
        self._quotas = quotas

    async def take(self, names: Sequence[LimitName], whose: str) -> Verdict | None:
        """Count a request against each named bucket of `whose`.

        Returns:
            How the tightest bucket stands; None while Redis is away.

        Raises:
            RateLimited: One of the buckets is empty; nothing was taken from any.
        """
        # One hash tag, so that the buckets share a slot of a Redis cluster.
        keys = [f"limit:{{{whose}}}:{name}" for name in names]
        quotas = [self._quotas[name] for name in names]
        arguments = [part for quota in quotas for part in (quota.amount, quota.seconds * 1000)]
        try:
            told = await self._scripts.run(_TAKE, keys, arguments)
        except Unavailable:
            UNCOUNTED.inc()
            return None
        verdicts = [
            Verdict(name, quota, remaining, reset / 1000, retry / 1000)
            for name, quota, (remaining, reset, retry) in zip(
                names, quotas, cast("list[tuple[int, int, int]]", told), strict=True
            )
        ]
        tightest = min(verdicts, key=lambda verdict: verdict.remaining / verdict.quota.amount)
        refusing = max(verdicts, key=lambda verdict: verdict.retry_seconds)
        if refusing.retry_seconds:
            LIMITED.labels(refusing.name).inc()
            raise RateLimited(refusing)
        return tightest


class RateLimited(LimitReached):
    """A caller asks too often.

    Attributes:
        verdict: The bucket that is empty.
    """

    reason = "RATE_LIMITED"

    def __init__(self, verdict: Verdict) -> None:
        seconds = max(1, math.ceil(verdict.retry_seconds))
        super().__init__(
            f"The limit {verdict.name} of {verdict.quota.amount} requests in "
            f"{verdict.quota.seconds} seconds is used up.",
            metadata={"retry_after": str(seconds), "limit": verdict.name},
        )
        self.verdict = verdict

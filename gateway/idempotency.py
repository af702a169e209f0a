"""Idempotency keys: a POST that is repeated with its key is answered, not done, again.

Redis remembers for a day what a key was used for and what was answered. The first request opens the
key, in one atomic step; whoever comes while it is open is told so, and a request that failed closes
it again, so that it can be tried once more.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.scripts import Script, Scripts
from shared.errors import Conflict, InvalidInput, Unavailable
from shared.identity import Principal

HEADER = "idempotency-key"
REPLAYED = "Idempotent-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEEP_MILLISECONDS = 24 * 3600 * 1000
# A gateway that dies with a key open must not lock it for long; no request takes longer than this.
_OPEN_MILLISECONDS = 120 * 1000

# ARGV: fingerprint of the request, token of the opener, milliseconds to stay open.
# Answers: 0 opened, 1 open already, 2 used for another request, 3 answered (and how).
_OPEN = Script("""
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'answer')
if not known[1] then
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'opener', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {0, ''}
end
if known[1] ~= ARGV[1] then return {2, ''} end
if not known[2] then return {1, ''} end
return {3, known[2]}
""")
# ARGV: token of the opener, the answer (nothing forgets the key), milliseconds to keep it.
_CLOSE = Script("""
if redis.call('HGET', KEYS[1], 'opener') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'answer', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")


class KeyInvalid(InvalidInput):
    """The Idempotency-Key is empty, too long, or not printable."""

    reason = "IDEMPOTENCY_KEY_INVALID"


class KeyReused(InvalidInput):
    """The key was used for a different request."""

    reason = "IDEMPOTENCY_KEY_REUSED"
    http_status = 422


class KeyInUse(Conflict):
    """A request with this key is under way."""

    reason = "IDEMPOTENCY_KEY_IN_USE"


def find_key(request: Request) -> str:
    """The key that a request carries; empty when it carries none.

    Raises:
        KeyInvalid: It cannot be a key.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise KeyInvalid("An Idempotency-Key has 1 to 255 printable characters without spaces.")
    return key


@dataclass(frozen=True, slots=True)
class Opened:
    """A key that this request opened, and must close."""

    name: str
    opener: str


class Answers:
    """What was answered to requests with a key."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def open(self, key: str, principal: Principal, request: Request) -> Opened | Response:
        """Open a key for a request, or find the answer that the key already had.

        Raises:
            KeyReused: The key was used for another request.
            KeyInUse: A request with the key is under way.
            Unavailable: Redis is away, so nothing can be promised.
        """
        whose = f"{principal.tenant_id}\0{principal.subject}\0{key}"
        opened = Opened(f"answer:{sha256(whose.encode()).hexdigest()}", secrets.token_hex(8))
        arguments = [await _fingerprint(request), opened.opener, _OPEN_MILLISECONDS]
        told = await self._scripts.run(_OPEN, [opened.name], arguments)
        state, answer = cast("tuple[int, bytes]", tuple(told))
        match state:
            case 0:
                return opened
            case 1:
                raise KeyInUse("A request with this Idempotency-Key is under way.")
            case 2:
                raise KeyReused("This Idempotency-Key was used for a different request.")
            case _:
                return _replay(answer)

    async def keep(self, opened: Opened, response: Response) -> None:
        """Remember the answer for a day; when Redis has gone away meanwhile it is lost."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.raw_headers
        ]
        body = bytes(response.body).decode()
        answer = orjson.dumps([response.status_code, headers, body])
        await self._close(opened, answer)

    async def forget(self, opened: Opened) -> None:
        """Close the key as if it had never been used."""
        await self._close(opened, b"")

    async def _close(self, opened: Opened, answer: bytes) -> None:
        try:
            arguments = [opened.opener, answer, _KEEP_MILLISECONDS]
            await self._scripts.run(_CLOSE, [opened.name], arguments)
        except Unavailable:
            # The key stays open until its time is over, and says so to whoever repeats it.
            return


async def _fingerprint(request: Request) -> str:
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    return sha256(target.encode() + await request.body()).hexdigest()


def _replay(answer: bytes) -> Response:
    status, headers, body = cast("tuple[int, Sequence[tuple[str, str]], str]", orjson.loads(answer))
    return Response(body, status_code=status, headers={**dict(headers), REPLAYED: "true"})

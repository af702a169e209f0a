"""Passwords: kept as Argon2id hashes, checked at a cost that is the same for unknown accounts."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.issuer.refusals import WeakPassword
from shared.errors import LimitReached

_MIN_LENGTH = 8
_MAX_LENGTH = 1024
# Hashing is meant to be expensive, so only so much of it happens at a time.
_AT_ONCE = 2
_MAX_WAITING = 64


class Passwords:
    """Hashes and checks passwords, outside of the event loop.

    The parameters are OWASP's with the least memory: 7 MiB, five passes, one lane.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        # What unknown accounts are checked against.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash of a new password.

        Raises:
            WeakPassword: It is too short, or too long.
            LimitReached: Too many others wait.
        """
        if not _MIN_LENGTH <= len(password) <= _MAX_LENGTH:
            raise WeakPassword(f"Password should be at least {_MIN_LENGTH} characters.")
        return await self._work(password, None)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether a password is the one; never for an account that is not there.

        Raises:
            LimitReached: Too many others wait.
        """
        if len(password) > _MAX_LENGTH:
            return False
        return bool(await self._work(password, hashed or self._nobody)) and hashed is not None

    async def _work(self, password: str, hashed: str | None) -> str:
        if self._waiting >= _MAX_WAITING:
            raise LimitReached("Too many people sign in at once.", metadata={"retry_after": "5"})
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(self._hash_or_check, password, hashed)
        finally:
            self._waiting -= 1

    def _hash_or_check(self, password: str, hashed: str | None) -> str:
        """A new hash; or the one that was given if the password fits, else nothing."""
        if hashed is None:
            return self._hasher.hash(password)
        try:
            self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return ""
        return hashed

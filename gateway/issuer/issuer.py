"""Sign up, sign in, stay signed in, sign out: the use cases of the built-in issuer."""

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from gateway.auth import AUDIENCE, Claims
from gateway.issuer import accounts
from gateway.issuer.accounts import Account, Login, Use
from gateway.issuer.passwords import Passwords
from gateway.issuer.refusals import (
    InvalidCredentials,
    InvalidEmail,
    LoginEnded,
    RefreshTokenReused,
    RefreshTokenUnknown,
    SignupClosed,
    UserExists,
)
from gateway.issuer.signing_keys import SigningKeys
from gateway.metrics import ISSUER_EVENTS
from shared.clock import Clock
from shared.database import Database

Scope = Literal["global", "local", "others"]

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms tokens are issued.

    Attributes:
        issuer: What access tokens say in `iss`.
    """

    issuer: str
    access_lifetime: timedelta
    login_lifetime: timedelta
    signup_open: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person gets who has signed in."""

    access_token: str
    refresh_token: str
    expires_in: int
    expires_at: int
    account: Account


class Issuer:
    """The built-in issuer.

    Args:
        database: Connected under the issuer's own role.
    """

    def __init__(self, database: Database, keys: SigningKeys, terms: Terms, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._terms = terms
        self._clock = clock
        self._passwords = Passwords()

    @property
    def keys(self) -> SigningKeys:
        return self._keys

    @property
    def signup_open(self) -> bool:
        return self._terms.signup_open

    async def sign_up(self, email: str, password: str, said: dict[str, Any]) -> Grant:
        """Create an account and sign in.

        Args:
            email: The address; it is not verified.
            password: The password.
            said: What the person says of themself; kept as user metadata.

        Raises:
            SignupClosed: Strangers may not.
            InvalidEmail: That is no address.
            WeakPassword: The password is too short.
            UserExists: The address has an account.
        """
        if not self._terms.signup_open:
            raise SignupClosed("Signups not allowed for this instance.")
        address = normalize(email)
        if not _EMAIL.fullmatch(address):
            raise InvalidEmail("This is not an e-mail address.")
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            now = self._clock.now()
            account = await accounts.insert_account(connection, address, hashed, said, now)
        if account is None:
            raise UserExists("User already registered.")
        ISSUER_EVENTS.labels("sign_up").inc()
        return await self._begin(account)

    async def sign_in(self, email: str, password: str) -> Grant:
        """Sign in with a password.

        Raises:
            InvalidCredentials: The address or the password is wrong; which one is not said.
        """
        async with self._database.transaction() as connection:
            account = await accounts.find_account(connection, normalize(email))
        fits = await self._passwords.matches(password, account.password_hash if account else None)
        if account is None or not fits:
            ISSUER_EVENTS.labels("sign_in_refused").inc()
            raise InvalidCredentials("Invalid login credentials")
        ISSUER_EVENTS.labels("sign_in").inc()
        return await self._begin(account)

    async def refresh(self, token: str) -> Grant:
        """Exchange a refresh token for new tokens.

        Raises:
            RefreshTokenUnknown: It is none of ours, or its login has ended.
            RefreshTokenReused: It was used before; its login has ended now.
        """
        fresh, now = secrets.token_urlsafe(24), self._clock.now()
        async with self._database.transaction() as connection:
            use, login_id = await accounts.exchange_token(
                connection, token, fresh, now, self._terms.login_lifetime
            )
            account = (
                await accounts.find_account_of_login(connection, login_id, now)
                if login_id
                else None
            )
        if use is Use.REUSED:
            ISSUER_EVENTS.labels("refresh_reused").inc()
            raise RefreshTokenReused("Invalid Refresh Token: Already Used")
        if account is None or login_id is None:
            raise RefreshTokenUnknown("Invalid Refresh Token: Refresh Token Not Found")
        return self._grant(account, login_id, fresh)

    async def get_account(self, claims: Claims) -> Account:
        """The account behind an access token.

        Raises:
            LoginEnded: Its login has ended, or it never was one of ours.
        """
        async with self._database.transaction() as connection:
            account = await accounts.find_account_of_login(
                connection, _login_id(claims), self._clock.now()
            )
        if account is None:
            raise LoginEnded("Session from session_id claim in JWT does not exist")
        return account

    async def sign_out(self, claims: Claims, scope: Scope) -> None:
        """End this login, the person's others, or all; access tokens live on until they expire."""
        login_id = _login_id(claims)
        async with self._database.transaction() as connection:
            if scope != "local":
                await accounts.end_other_logins(connection, login_id)
            if scope != "others":
                await accounts.end_login(connection, login_id)
        ISSUER_EVENTS.labels("sign_out").inc()

    async def _begin(self, account: Account) -> Grant:
        now, token = self._clock.now(), secrets.token_urlsafe(24)
        login = Login(uuid.uuid4(), account.id, now + self._terms.login_lifetime)
        async with self._database.transaction() as connection:
            await accounts.insert_login(connection, login, token, now)
        return self._grant(account, login.id, token)

    def _grant(self, account: Account, login_id: uuid.UUID, refresh_token: str) -> Grant:
        now = int(self._clock.now().timestamp())
        lifetime = int(self._terms.access_lifetime.total_seconds())
        claims = {
            "iss": self._terms.issuer,
            "sub": str(account.id),
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + lifetime,
            "email": account.email,
            "phone": "",
            "role": AUDIENCE,
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": str(login_id),
            "is_anonymous": False,
            "app_metadata": {**account.app_metadata, **PROVIDER},
            "user_metadata": account.user_metadata,
        }
        return Grant(self._keys.sign(claims), refresh_token, lifetime, now + lifetime, account)


PROVIDER: dict[str, Any] = {"provider": "email", "providers": ["email"]}


def normalize(email: str) -> str:
    """An address as accounts are kept under it."""
    return email.strip().lower()


def _login_id(claims: Claims) -> uuid.UUID:
    try:
        return uuid.UUID(claims.session_id)
    except ValueError as error:
        raise LoginEnded("The access token belongs to no login of this issuer.") from error

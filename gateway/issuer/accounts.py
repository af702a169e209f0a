"""Accounts, logins and refresh tokens in PostgreSQL: all SQL of the issuer but its keys'."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

_COLUMNS = """id, email, password_hash, app_metadata, user_metadata, created_at, updated_at,
  last_sign_in_at"""
_INSERT_ACCOUNT = text(f"""
INSERT INTO gateway.accounts (id, email, password_hash, user_metadata, created_at, updated_at)
VALUES (:id, :email, :password_hash, :user_metadata, :now, :now)
ON CONFLICT (email) DO NOTHING
RETURNING {_COLUMNS}
""").bindparams(bindparam("user_metadata", type_=JSONB))
_BY_EMAIL = text(f"SELECT {_COLUMNS} FROM gateway.accounts WHERE email = :email")
_BY_LOGIN = text(f"""
SELECT {_COLUMNS} FROM gateway.accounts
WHERE id = (SELECT account_id FROM gateway.logins WHERE id = :login_id AND expires_at > :now)
""")
_TOUCH_ACCOUNT = text("UPDATE gateway.accounts SET last_sign_in_at = :now WHERE id = :id")
_INSERT_LOGIN = text("""
INSERT INTO gateway.logins (id, account_id, created_at, expires_at)
VALUES (:id, :account_id, :now, :expires_at)
""")
_DELETE_EXPIRED = text(
    "DELETE FROM gateway.logins WHERE account_id = :account_id AND expires_at <= :now"
)
_INSERT_TOKEN = text("""
INSERT INTO gateway.refresh_tokens (digest, login_id, created_at)
VALUES (:digest, :login_id, :now)
""")
_LOCK_TOKEN = text("""
SELECT t.login_id, t.used_at
FROM gateway.refresh_tokens t JOIN gateway.logins l ON l.id = t.login_id
WHERE t.digest = :digest AND l.expires_at > :now
FOR UPDATE
""")
_USE_TOKEN = text("UPDATE gateway.refresh_tokens SET used_at = :now WHERE digest = :digest")
_EXTEND_LOGIN = text("UPDATE gateway.logins SET expires_at = :expires_at WHERE id = :login_id")
_END_LOGIN = text("DELETE FROM gateway.logins WHERE id = :login_id")
_END_OTHERS = text("""
DELETE FROM gateway.logins l USING gateway.logins mine
WHERE mine.id = :login_id AND l.account_id = mine.account_id AND l.id <> mine.id
""")


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in.

    Attributes:
        app_metadata: What an administrator says of the person, such as `tenant_id`.
        user_metadata: What the person says.
    """

    id: uuid.UUID
    email: str
    password_hash: str
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Login:
    """A person signed in on one device, until the login is ended or not used for long."""

    id: uuid.UUID
    account_id: uuid.UUID
    expires_at: datetime


class Use(Enum):
    """What became of a refresh token that was shown."""

    ACCEPTED = auto()
    REUSED = auto()
    UNKNOWN = auto()


async def insert_account(
    connection: AsyncConnection, email: str, password_hash: str, said: dict[str, Any], now: datetime
) -> Account | None:
    """Store a new account; None when the address has one."""
    values = {
        "id": uuid.uuid4(),
        "email": email,
        "password_hash": password_hash,
        "user_metadata": said,
        "now": now,
    }
    row = (await connection.execute(_INSERT_ACCOUNT, values)).mappings().one_or_none()
    return _account(row) if row else None


async def find_account(connection: AsyncConnection, email: str) -> Account | None:
    row = (await connection.execute(_BY_EMAIL, {"email": email})).mappings().one_or_none()
    return _account(row) if row else None


async def find_account_of_login(
    connection: AsyncConnection, login_id: uuid.UUID, now: datetime
) -> Account | None:
    """Whose login this is; None when it has ended."""
    values = {"login_id": login_id, "now": now}
    row = (await connection.execute(_BY_LOGIN, values)).mappings().one_or_none()
    return _account(row) if row else None


async def insert_login(
    connection: AsyncConnection, login: Login, token: str, now: datetime
) -> None:
    """Store a login with its first refresh token, and clear away the person's expired ones."""
    await connection.execute(_DELETE_EXPIRED, {"account_id": login.account_id, "now": now})
    values = {
        "id": login.id,
        "account_id": login.account_id,
        "expires_at": login.expires_at,
        "now": now,
    }
    await connection.execute(_INSERT_LOGIN, values)
    await _insert_token(connection, login.id, token, now)
    await connection.execute(_TOUCH_ACCOUNT, {"id": login.account_id, "now": now})


async def exchange_token(
    connection: AsyncConnection, shown: str, fresh: str, now: datetime, lifetime: timedelta
) -> tuple[Use, uuid.UUID | None]:
    """Use a refresh token up and store the one that follows it.

    A token that was used before ends its login: whoever shows it again, or the one who used it
    first, has stolen it. The caller commits in either case.

    Returns:
        What became of the token, and its login if it was accepted.
    """
    values = {"digest": _digest(shown), "now": now}
    row = (await connection.execute(_LOCK_TOKEN, values)).one_or_none()
    if row is None:
        return Use.UNKNOWN, None
    login_id: uuid.UUID = row.login_id
    if row.used_at is not None:
        await connection.execute(_END_LOGIN, {"login_id": login_id})
        return Use.REUSED, None
    await connection.execute(_USE_TOKEN, values)
    await _insert_token(connection, login_id, fresh, now)
    expires_at = now + lifetime
    await connection.execute(_EXTEND_LOGIN, {"login_id": login_id, "expires_at": expires_at})
    return Use.ACCEPTED, login_id


async def end_login(connection: AsyncConnection, login_id: uuid.UUID) -> None:
    await connection.execute(_END_LOGIN, {"login_id": login_id})


async def end_other_logins(connection: AsyncConnection, login_id: uuid.UUID) -> None:
    """End all logins of the person but this one."""
    await connection.execute(_END_OTHERS, {"login_id": login_id})


async def _insert_token(
    connection: AsyncConnection, login_id: uuid.UUID, token: str, now: datetime
) -> None:
    values = {"digest": _digest(token), "login_id": login_id, "now": now}
    await connection.execute(_INSERT_TOKEN, values)


def _digest(token: str) -> bytes:
    """Tokens are random, so a plain hash is enough to make a stolen table useless."""
    return sha256(token.encode()).digest()


def _account(row: RowMapping) -> Account:
    return Account(**row)

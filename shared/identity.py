"""Who is asking: the Principal, and the signed form in which it travels between services.

The gateway authenticates a caller once and signs what it learned; every service checks the
signature itself. The token is a JWT (RFC 7519, HS256) in the metadata key `flowloom-identity`.
"""

import time
from enum import StrEnum
from functools import lru_cache

import jwt
from pydantic import BaseModel

from shared.errors import Unauthenticated

METADATA_KEY = "flowloom-identity"
_LIFETIME_SECONDS = 300
_REUSE_SECONDS = 60


class Role(StrEnum):
    """What a person may do inside a tenant; each role includes the ones after it."""

    OWNER = "owner"
    EDITOR = "editor"
    OPERATOR = "operator"
    VIEWER = "viewer"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


class Principal(BaseModel, frozen=True):
    """An authenticated caller.

    Attributes:
        tenant_id: Whose data this caller sees; row-level security compares with it.
        subject: The user's id, `hook` for an incoming webhook, or the key's id.
        role: What the caller may do within the tenant.
        email: For people, when known; approver lists compare with it.
    """

    tenant_id: str
    subject: str
    role: Role = Role.OWNER
    email: str = ""


def sign(principal: Principal, secret: str) -> str:
    """The principal as a signed token, valid for minutes; equal within one, so cheap to repeat."""
    return _sign(principal, secret, int(time.time()) // _REUSE_SECONDS)


@lru_cache(maxsize=4096)
def _sign(principal: Principal, secret: str, window: int) -> str:
    expires = window * _REUSE_SECONDS + _LIFETIME_SECONDS
    return jwt.encode({**principal.model_dump(), "exp": expires}, secret, algorithm="HS256")


def verify(token: str, secret: str) -> Principal:
    """The principal a token speaks for.

    Raises:
        Unauthenticated: The token is forged, malformed or expired.
    """
    principal, expires = _verify(token, secret)
    if time.time() > expires:
        raise Unauthenticated("The caller's identity has expired.", reason="IDENTITY_EXPIRED")
    return principal


@lru_cache(maxsize=4096)
def _verify(token: str, secret: str) -> tuple[Principal, int]:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={"require": ["exp", "tenant_id"], "verify_exp": False, "verify_sub": False},
        )
        return Principal.model_validate(claims), int(claims["exp"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Unauthenticated(
            "The caller's identity is missing or not valid.", reason="IDENTITY_INVALID"
        ) from error

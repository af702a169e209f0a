"""Who is asking: an access token becomes a Principal, checked here and now, without a call.

Tokens come from an authority: the built-in issuer, or a Supabase project. The token's issuer names
the authority, the authority's keys check the signature, and only then is anything else believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, Field, ValidationError

from gateway.jws import BadToken, Header, Key, read_header, read_payload, verify
from gateway.metrics import REFUSED_TOKENS
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.identity import Principal, Role

AUDIENCE = "authenticated"
_SKEW_SECONDS = 30
# A token that was proven is believed for this long without checking its signature again.
_PROVEN_SECONDS = 60
_MAX_PROVEN = 4096


class TokenMissing(Unauthenticated):
    """The request carries no access token."""

    reason = "TOKEN_MISSING"


class TokenExpired(Unauthenticated):
    """The access token was good, once."""

    reason = "TOKEN_EXPIRED"


class KeySource(Protocol):
    """Where an authority's keys are found."""

    async def find_keys(self, header: Header) -> Sequence[Key]:
        """The keys that may have signed a token with this header."""
        ...


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody whose tokens we accept.

    Attributes:
        issuer: What its tokens say in `iss`; empty for any, when only its secret is known.
    """

    issuer: str
    keys: KeySource


class AppMetadata(BaseModel):
    """What an administrator says of a user; users cannot change it."""

    tenant_id: str | None = Field(default=None, min_length=1, max_length=200)
    tenant_role: Role | None = None


class Claims(BaseModel):
    """What a token says; Supabase and the built-in issuer say the same."""

    iss: str = ""
    sub: str = Field(min_length=1, max_length=200)
    aud: str | list[str]
    exp: float = Field(allow_inf_nan=False)
    nbf: float = 0
    email: str | None = None
    session_id: str = ""
    app_metadata: AppMetadata = Field(default_factory=AppMetadata)

    def principal(self) -> Principal:
        """The caller. A tenant is one user's own, unless an administrator assigned another."""
        return Principal(
            tenant_id=self.app_metadata.tenant_id or self.sub,
            subject=self.sub,
            role=self.app_metadata.tenant_role or Role.OWNER,
            email=self.email or "",
        )


class Authenticator:
    """Checks access tokens.

    Args:
        authorities: Whose tokens are accepted.
        clock: Tells whether a token has expired.
    """

    def __init__(self, authorities: Sequence[Authority], clock: Clock) -> None:
        self._authorities = authorities
        self._clock = clock
        self._proven: dict[str, tuple[Claims, float]] = {}

    async def authenticate(self, authorization: str | None) -> Claims:
        """What the token in an Authorization header says, once it is proven.

        Raises:
            Unauthenticated: There is none, or it is forged, expired or not meant for us.
            Unavailable: The authority's keys cannot be fetched at the moment.
        """
        try:
            return await self._check(_bearer(authorization))
        except Unauthenticated as error:
            REFUSED_TOKENS.labels(error.code).inc()
            raise

    async def _check(self, token: str) -> Claims:
        now = self._clock.now().timestamp()
        claims, believed_until = self._proven.get(token, (None, 0.0))
        if claims is None or now >= believed_until:
            claims = await self._prove(token)
            if len(self._proven) >= _MAX_PROVEN:
                self._proven.clear()
            self._proven[token] = (claims, now + _PROVEN_SECONDS)
        if now >= claims.exp:
            raise TokenExpired("The access token has expired.")
        if now < claims.nbf - _SKEW_SECONDS:
            raise BadToken("The access token is not valid yet.")
        return claims

    async def _prove(self, token: str) -> Claims:
        header = read_header(token)
        authority = self._find_authority(read_payload(token))
        return _read(verify(token, header, await authority.keys.find_keys(header)))

    def _find_authority(self, payload: bytes) -> Authority:
        """Who claims to have issued a token; what else it says is read after it is proven.

        Raises:
            BadToken: Nobody we know, or not for us.
        """
        claims = _read(payload)
        if AUDIENCE not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
            raise BadToken("The token is meant for somebody else.")
        for authority in self._authorities:
            if authority.issuer in ("", claims.iss):
                return authority
        raise BadToken("The token comes from an issuer that is not known here.")


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise TokenMissing("This needs an access token, as Authorization: Bearer TOKEN.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise BadToken("The Authorization header is not of the form Bearer TOKEN.")
    return token.strip()


def _read(payload: bytes) -> Claims:
    try:
        return Claims.model_validate_json(payload)
    except ValidationError as error:
        raise BadToken("The token does not say what it must.") from error

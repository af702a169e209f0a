"""Accounts: the built-in issuer in the shapes that GoTrue's clients read."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth import AUDIENCE, Claims
from gateway.gate import PublicRoute, client_address, gate_of
from gateway.issuer.accounts import Account
from gateway.issuer.issuer import PROVIDER, Grant, Scope, normalize
from gateway.issuer.refusals import UnsupportedGrant
from gateway.parts import IssuerPart
from gateway.shapes import Text

router = APIRouter(prefix="/auth/v1", tags=["accounts"], route_class=PublicRoute)

_MOST_SAID = 4096


def _refuse_unfit(said: dict[str, Any] | None) -> dict[str, Any] | None:
    """Refuse what PostgreSQL or a token could not hold."""
    try:
        text = orjson.dumps(said)
    except TypeError as error:
        raise ValueError("it is nested too deeply") from error
    if len(text) > _MOST_SAID:
        raise ValueError(f"it is longer than {_MOST_SAID} bytes of JSON")
    if b"\\u0000" in text:
        raise ValueError("a text cannot hold the character NUL")
    return said


class SignUp(BaseModel):
    """Who signs up; GoTrue's clients say more than is read here."""

    email: Text = Field(max_length=255)
    password: Text = Field(max_length=1024)
    data: Annotated[dict[str, Any] | None, AfterValidator(_refuse_unfit)] = Field(
        default=None, description="What one says of oneself; access tokens carry it"
    )


class TokenRequest(BaseModel):
    """An address and its password, or a refresh token."""

    email: Text = Field(default="", max_length=255)
    password: Text = Field(default="", max_length=1024)
    refresh_token: Text = Field(default="", max_length=255)


class Identity(BaseModel):
    """A way in which a person signs in."""

    identity_id: str
    id: str
    user_id: str
    identity_data: dict[str, Any]
    provider: str
    last_sign_in_at: datetime | None
    created_at: datetime
    updated_at: datetime


class User(BaseModel):
    """A person with an account."""

    id: str
    aud: str = AUDIENCE
    role: str = AUDIENCE
    email: str
    phone: str = ""
    email_confirmed_at: datetime
    confirmed_at: datetime
    last_sign_in_at: datetime | None
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[Identity]
    created_at: datetime
    updated_at: datetime
    is_anonymous: bool = False

    @classmethod
    def of(cls, account: Account) -> "User":
        """An account as its owner sees it; addresses count as confirmed."""
        user_id = str(account.id)
        identity = Identity(
            identity_id=user_id,
            id=user_id,
            user_id=user_id,
            identity_data={"sub": user_id, "email": account.email, "email_verified": True},
            provider=PROVIDER["provider"],
            last_sign_in_at=account.last_sign_in_at,
            created_at=account.created_at,
            updated_at=account.updated_at,
        )
        return cls(
            id=user_id,
            email=account.email,
            email_confirmed_at=account.created_at,
            confirmed_at=account.created_at,
            last_sign_in_at=account.last_sign_in_at,
            app_metadata={**account.app_metadata, **PROVIDER},
            user_metadata=account.user_metadata,
            identities=[identity],
            created_at=account.created_at,
            updated_at=account.updated_at,
        )


class Tokens(BaseModel):
    """What a person gets who has signed in."""

    access_token: str
    token_type: str = "bearer"
    expires_in: int
    expires_at: int
    refresh_token: str
    user: User

    @classmethod
    def of(cls, grant: Grant) -> "Tokens":
        return cls(
            access_token=grant.access_token,
            expires_in=grant.expires_in,
            expires_at=grant.expires_at,
            refresh_token=grant.refresh_token,
            user=User.of(grant.account),
        )


@router.post("/signup")
async def sign_up(body: SignUp, request: Request, issuer: IssuerPart) -> Tokens:
    """Create an account and sign in."""
    await _throttle(request, body.email)
    return Tokens.of(await issuer.sign_up(body.email, body.password, body.data or {}))


@router.post("/token")
async def get_token(
    body: TokenRequest,
    request: Request,
    issuer: IssuerPart,
    grant_type: Annotated[str, Query(description="password or refresh_token")],
) -> Tokens:
    """Sign in, or stay signed in; a refresh token works once."""
    match grant_type:
        case "password":
            await _throttle(request, body.email)
            return Tokens.of(await issuer.sign_in(body.email, body.password))
        case "refresh_token":
            return Tokens.of(await issuer.refresh(body.refresh_token))
        case _:
            raise UnsupportedGrant("The grant type must be password or refresh_token.")


@router.get("/user")
async def get_user(request: Request, issuer: IssuerPart) -> User:
    """Who is signed in."""
    return User.of(await issuer.get_account(await _claims(request)))


@router.post("/logout", status_code=204, response_class=Response)
async def sign_out(
    request: Request, issuer: IssuerPart, scope: Annotated[Scope, Query()] = "global"
) -> Response:
    """End this login, the others, or all."""
    await issuer.sign_out(await _claims(request), scope)
    return Response(status_code=204)


@router.get("/.well-known/jwks.json")
async def get_keys(issuer: IssuerPart) -> dict[str, Any]:
    """The keys that check access tokens, as a JWK set (RFC 7517)."""
    return issuer.keys.publish()


@router.get("/settings")
async def get_settings(issuer: IssuerPart) -> dict[str, Any]:
    """What the issuer offers, as GoTrue's clients ask."""
    return {
        "external": {"email": True, "phone": False, "anonymous_users": False},
        "disable_signup": not issuer.signup_open,
        "mailer_autoconfirm": True,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
    }


async def _claims(request: Request) -> Claims:
    return await gate_of(request).authenticator.authenticate(request.headers.get("authorization"))


async def _throttle(request: Request, email: str) -> None:
    """Hold guessing back, from one address and at one account."""
    limits = gate_of(request).limits
    account = sha256(normalize(email).encode()).hexdigest()[:32]
    await limits.take(("login",), f"address:{client_address(request)}")
    await limits.take(("login",), f"account:{account}")

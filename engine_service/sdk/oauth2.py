"""OAuth 2.0 as a client: tokens for credentials (RFC 6749), PKCE (RFC 7636), revocation (RFC 7009).

Terms and a way to send requests come in, tokens come out. Nothing is stored here, and nothing that
a token server says is repeated but its error code and description.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode, urlsplit

import orjson

from engine_service.sdk.node import Failed, HttpClient, HttpRequest, HttpResponse, NodeError
from shared.workflow import JsonObject

Grant = Literal["authorization_code", "client_credentials"]
_SECONDS = 20.0
_SHOWN_CHARACTERS = 200
# What RFC 6749 (5.2) lets a server say that no repeat will change.
_FINAL = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How tokens are got.

    Attributes:
        client_authentication: Where the client's id and secret go: the Authorization header, or
            the form.
        authorize_parameters: Further parameters of the authorization request.
        token_parameters: Likewise of the token request.
    """

    grant: Grant
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    authorize_url: str = ""
    revoke_url: str = ""
    client_authentication: Literal["basic", "body"] = "basic"
    authorize_parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    token_parameters: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token server gave; `expires_at` is None when it did not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    scope: str = ""

    def to_json(self) -> JsonObject:
        """For the vault."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
            "scope": self.scope,
        }

    @classmethod
    def from_json(cls, stored: JsonObject) -> "Tokens":
        """From the vault."""
        expires = stored["expires_at"]
        moment = datetime.fromisoformat(expires) if expires else None
        return cls(stored["access_token"], stored["refresh_token"], moment, stored["scope"])


@dataclass(frozen=True, slots=True)
class Consent:
    """What came back from consent, and what it was asked for with."""

    code: str = field(repr=False)
    redirect_uri: str
    verifier: str = field(repr=False)


class TokenRefused(Exception):
    """The token server said no, for good: somebody has to connect anew."""


def new_verifier() -> str:
    """A code verifier for PKCE, which also serves wherever nobody may guess."""
    return secrets.token_urlsafe(48)


def authorization_url(terms: Terms, redirect_uri: str, state: str, verifier: str) -> str:
    """Where a person goes to consent."""
    digest = hashlib.sha256(verifier.encode()).digest()
    parameters = {
        **terms.authorize_parameters,
        "response_type": "code",
        "client_id": terms.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    if terms.scope:
        parameters["scope"] = terms.scope
    separator = "&" if urlsplit(terms.authorize_url).query else "?"
    return f"{terms.authorize_url}{separator}{urlencode(parameters, quote_via=quote)}"


async def exchange(http: HttpClient, terms: Terms, consent: Consent, now: datetime) -> Tokens:
    """Tokens for the code that came back from consent.

    Raises:
        TokenRefused: The server does not take it.
        NodeError: The server could not be asked.
    """
    form = {
        "grant_type": "authorization_code",
        "code": consent.code,
        "redirect_uri": consent.redirect_uri,
        "code_verifier": consent.verifier,
    }
    return await _ask(http, terms, form, now)


async def renew(http: HttpClient, terms: Terms, known: Tokens | None, now: datetime) -> Tokens:
    """New tokens: for the client itself, or by the refresh token that is known.

    Raises:
        TokenRefused: The server does not give any, or there is nothing to show it.
        NodeError: The server could not be asked.
    """
    if terms.grant == "client_credentials":
        scope = {"scope": terms.scope} if terms.scope else {}
        return await _ask(http, terms, {"grant_type": "client_credentials", **scope}, now)
    if known is None or not known.refresh_token:
        raise TokenRefused("It is not connected, or came without a refresh token.")
    form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
    tokens = await _ask(http, terms, form, now)
    if tokens.refresh_token:
        return tokens
    # A server that does not rotate refresh tokens leaves the old one standing.
    return Tokens(
        tokens.access_token, known.refresh_token, tokens.expires_at, tokens.scope or known.scope
    )


async def revoke(http: HttpClient, terms: Terms, tokens: Tokens) -> None:
    """Tell the server that tokens are not needed any more.

    Raises:
        NodeError: The server could not be asked, or does not do it.
    """
    token = tokens.refresh_token or tokens.access_token
    hint = "refresh_token" if tokens.refresh_token else "access_token"
    form = {"token": token, "token_type_hint": hint}
    response = await http.send(_request(terms, terms.revoke_url, form))
    if response.status >= 400:
        raise NodeError(
            Failed("revocation_failed", f"The server answered {response.status} to revoking.")
        )


async def _ask(http: HttpClient, terms: Terms, form: Mapping[str, str], now: datetime) -> Tokens:
    asked = {**terms.token_parameters, **form}
    response = await http.send(_request(terms, terms.token_url, asked))
    answer = _read(response)
    token = answer.get("access_token")
    # Some servers say errors with status 200.
    if response.status >= 400 or not isinstance(token, str) or not token:
        raise _refusal(response, answer)
    refresh = answer.get("refresh_token")
    scope = answer.get("scope")
    return Tokens(
        token,
        refresh if isinstance(refresh, str) else "",
        _expiry(answer.get("expires_in"), now),
        scope if isinstance(scope, str) else "",
    )


def _request(terms: Terms, url: str, form: Mapping[str, str]) -> HttpRequest:
    headers = {
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
    }
    sent = dict(form)
    if terms.client_authentication == "basic" and terms.client_secret:
        pair = f"{quote(terms.client_id, safe='')}:{quote(terms.client_secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        sent["client_id"] = terms.client_id
        if terms.client_secret:
            sent["client_secret"] = terms.client_secret
    body = urlencode(sent, quote_via=quote).encode()
    # Whoever could redirect this would be sent the secret.
    return HttpRequest("POST", url, headers, body, timeout=_SECONDS, follow_redirects=False)


def _read(response: HttpResponse) -> JsonObject:
    try:
        answer: Any = orjson.loads(response.body)
    except ValueError:
        return {}
    return cast("JsonObject", answer) if isinstance(answer, dict) else {}


def _expiry(seconds: Any, now: datetime) -> datetime | None:
    if isinstance(seconds, str) and seconds.isdecimal():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return now + timedelta(seconds=max(0.0, min(float(seconds), 10 * 365 * 86_400)))


def _refusal(response: HttpResponse, answer: JsonObject) -> Exception:
    code, description = answer.get("error"), answer.get("error_description")
    said = ": ".join(str(part) for part in (code, description) if isinstance(part, str) and part)
    shown = said[:_SHOWN_CHARACTERS] or f"status {response.status}"
    if code in _FINAL or response.status in (400, 401, 403):
        return TokenRefused(f"The token server refused: {shown}.")
    return NodeError(
        Failed(
            "token_failed",
            f"The token server gave no token: {shown}.",
            retryable=response.status in (408, 429) or response.status >= 500,
        )
    )

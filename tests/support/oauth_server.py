"""A small OAuth 2.0 server for tests: consent, tokens with PKCE, rotation, revocation.

It keeps what a strict server keeps: codes work once and for their verifier, a refresh token that
was rotated is dead, and everything asked of it is there to look at.
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.support.http_server import Answer, Seen, Server, serve

CLIENT_ID, CLIENT_SECRET = "the-client", "the-clients-very-secret"


@dataclass
class OAuthServer:
    """What the server knows; `hold` makes it wait before it gives tokens."""

    server: Server = field(default_factory=lambda: Server(0, "http"))
    lifetime: int = 3600
    broken: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    access: set[str] = field(default_factory=set[str])
    refresh: set[str] = field(default_factory=set[str])
    grants: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def authority(self) -> str:
        return self.server.authority

    def fields(self, **more: Any) -> dict[str, Any]:
        """The fields of an `oauth2.authorization` credential for this server."""
        return {
            "authorize_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
            "revoke_url": f"{self.url}/revoke",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": "read write",
            **more,
        }

    def consent(self, authorization_url: str) -> dict[str, str]:
        """What a person's browser brings back: the query of the redirect."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def answer(self, seen: Seen) -> Answer:
        match seen.path:
            case "/token":
                return self._token(seen)
            case "/revoke":
                token = parse_qs(seen.body.decode())["token"][0]
                self.refresh.discard(token)
                return Answer()
            case _:
                token = seen.headers.get("authorization", "").removeprefix("Bearer ")
                known = token in self.access
                return Answer.of_json({"you": token if known else None}, 200 if known else 401)

    def _token(self, seen: Seen) -> Answer:
        form = dict(parse_qsl(seen.body.decode()))
        self.grants.append(form)
        if self.broken:
            return Answer.of_json({"error": "server_error"}, self.broken)
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {pair}":
            return Answer.of_json({"error": "invalid_client"}, 401)
        match form["grant_type"]:
            case "authorization_code":
                granted = self._check_code(form)
            case "refresh_token":
                granted = form["refresh_token"] in self.refresh
                self.refresh.discard(form["refresh_token"])
            case _:
                granted = form["grant_type"] == "client_credentials"
        if not granted:
            return Answer.of_json({"error": "invalid_grant"}, 400)
        return Answer.of_json(self._give(form["grant_type"] != "client_credentials"))

    def _check_code(self, form: dict[str, str]) -> bool:
        asked = self.codes.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return False
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return challenge == asked["code_challenge"]

    def _give(self, with_refresh: bool) -> dict[str, Any]:
        access = f"access-{secrets.token_hex(8)}"
        self.access.add(access)
        given = {"access_token": access, "token_type": "bearer", "expires_in": self.lifetime}
        if with_refresh:
            refresh = f"refresh-{secrets.token_hex(8)}"
            self.refresh.add(refresh)
            given["refresh_token"] = refresh
        return given


@asynccontextmanager
async def oauth_server() -> AsyncGenerator[OAuthServer]:
    """A server on loopback."""
    oauth = OAuthServer()
    async with serve(oauth.answer) as server:
        oauth.server = server
        yield oauth

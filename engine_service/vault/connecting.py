"""Connecting accounts: a person's consent at a token server, there and back, and its end.

The way there leaves a verifier (PKCE) and a nonce in the credential, sealed; the state that travels
through the browser is signed and holds the nonce. The way back must bring both, once, in time.
"""

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import structlog

from engine_service.sdk import oauth2
from engine_service.sdk.credential import OAuth2Type
from engine_service.sdk.node import HttpClient, NodeError
from engine_service.sdk.oauth2 import Terms, TokenRefused, Tokens
from engine_service.store import credentials as store
from engine_service.store.credentials import READY, UNCONNECTED, StoredCredential
from engine_service.vault.keychain import Contents, Keychain, OpenCredential
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError, InvalidInput, NotFound, Unavailable, Violation

log = structlog.get_logger()

_PATIENCE = timedelta(minutes=15)
_AUDIENCE = "flowloom:connect"
_SHOWN_CHARACTERS = 200


class Connecting:
    """Consents on their way.

    Args:
        database: Acts as flowloom_app.
        http: What token servers are asked with.
        secret: The mesh's secret; states are signed with a key made of it.
    """

    def __init__(
        self, database: Database, keychain: Keychain, http: HttpClient, clock: Clock, secret: str
    ) -> None:
        self._database = database
        self._keychain = keychain
        self._http = http
        self._clock = clock
        # A key of its own: a state must never pass for an identity, which the secret signs too.
        self._key = hmac.digest(secret.encode(), _AUDIENCE.encode(), hashlib.sha256)

    async def start(self, tenant_id: str, credential_id: str, redirect_uri: str) -> str:
        """Where the owner of an account consents.

        Raises:
            NotFound: There is no such credential.
            InvalidInput: Its type has nobody who could consent.
        """
        if urlsplit(redirect_uri).scheme not in ("http", "https"):
            violation = Violation("/redirect_uri", "invalid", "It must be an http(s) URL.")
            raise InvalidInput("The address to come back to is none.", violations=[violation])
        nonce, verifier = oauth2.new_verifier(), oauth2.new_verifier()
        async with self._database.transaction(tenant_id) as connection:
            stored = await store.lock_credential(connection, credential_id)
            terms = self._terms(stored)
            contents = replace(
                self._keychain.contents(stored),
                pending={"nonce": nonce, "verifier": verifier, "redirect_uri": redirect_uri},
            )
            await store.save_credential(connection, self._keychain.close(stored, contents))
        claims = {
            "aud": _AUDIENCE,
            "tenant": tenant_id,
            "credential": credential_id,
            "nonce": nonce,
            "until": (self._clock.now() + _PATIENCE).timestamp(),
        }
        state = jwt.encode(claims, self._key, algorithm="HS256")
        return oauth2.authorization_url(terms, redirect_uri, state, verifier)

    async def finish(self, state: str, code: str, error: str) -> StoredCredential:
        """Take in what came back.

        Raises:
            NotFound: The state is forged, too old, used already, or voided by a later one.
            InvalidInput: Consent was not given, or the token server does not take the code.
            Unavailable: The token server is away; the same can be tried again.
        """
        claims = self._claims(state)
        async with self._database.transaction(claims["tenant"]) as connection:
            stored = await store.lock_credential(connection, claims["credential"])
            contents = self._keychain.contents(stored)
            pending = contents.pending or {}
            if not hmac.compare_digest(pending.get("nonce", ""), claims["nonce"]):
                raise _unknown()
            try:
                tokens = await self._exchange(self._terms(stored), pending, code, error)
            except TokenRefused as refused:
                refusal = str(refused)
                closed = self._keychain.close(stored, replace(contents, pending=None))
                await store.save_credential(connection, closed)
            else:
                connected = self._connected(stored, contents, tokens)
                await store.save_credential(connection, connected)
                log.info("credential_connected", credential_id=stored.id)
                return connected
        raise InvalidInput(f"The account was not connected. {refusal}", reason="CONNECT_REFUSED")

    async def refresh(self, tenant_id: str, credential_id: str) -> StoredCredential:
        """Get a new access token now.

        Raises:
            NotFound: There is no such credential.
            InvalidInput: It is of a type that has no tokens, or somebody must consent (again).
            Unavailable: The token server is away.
        """
        async with self._database.transaction(tenant_id) as connection:
            stored = await store.get_credential(connection, credential_id)
        opened = self._keychain.opened(stored)
        kind = _oauth2(opened)
        try:
            await self._keychain.renewed(stored, kind, self._keychain.contents(stored).tokens)
        except NodeError as error:
            raise _as_app_error(error) from None
        async with self._database.transaction(tenant_id) as connection:
            return await store.get_credential(connection, credential_id)

    async def revoke(self, tenant_id: str, credential_id: str) -> StoredCredential:
        """Give tokens back and forget them; they are forgotten even if nobody takes them.

        Raises:
            NotFound: There is no such credential.
            InvalidInput: It is of a type that has no tokens.
        """
        async with self._database.transaction(tenant_id) as connection:
            stored = await store.lock_credential(connection, credential_id)
            terms, contents = _terms_of(self._keychain, stored), self._keychain.contents(stored)
            status = UNCONNECTED if terms.grant == "authorization_code" else READY
            emptied = self._keychain.close(stored, Contents(contents.secrets))
            after = emptied.changed(self._clock.now(), status=status)
            await store.save_credential(connection, after)
        if contents.tokens is not None and terms.revoke_url:
            try:
                await oauth2.revoke(self._http, terms, contents.tokens)
            except NodeError as error:
                log.warning(
                    "tokens_not_taken_back", credential_id=stored.id, because=error.failure.code
                )
        return after

    async def _exchange(
        self, terms: Terms, pending: dict[str, Any], code: str, error: str
    ) -> Tokens:
        if error or not code:
            raise TokenRefused(f"The token server said: {error[:_SHOWN_CHARACTERS] or 'nothing'}.")
        try:
            return await oauth2.exchange(
                self._http,
                terms,
                oauth2.Consent(code, pending["redirect_uri"], pending["verifier"]),
                self._clock.now(),
            )
        except NodeError as failed:
            raise _as_app_error(failed) from None

    def _connected(
        self, stored: StoredCredential, contents: Contents, tokens: Tokens
    ) -> StoredCredential:
        closed = self._keychain.close(stored, Contents(contents.secrets, tokens))
        return closed.changed(self._clock.now(), status=READY)

    def _claims(self, state: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                state,
                self._key,
                algorithms=["HS256"],
                audience=_AUDIENCE,
                options={"require": ["aud"]},
            )
        except jwt.InvalidTokenError as error:
            raise _unknown() from error
        if claims["until"] < self._clock.now().timestamp():
            raise _unknown()
        return claims

    def _terms(self, stored: StoredCredential) -> Terms:
        terms = _terms_of(self._keychain, stored)
        if terms.grant != "authorization_code":
            raise InvalidInput(
                "This credential needs no consent: its tokens come by themselves.",
                reason="NOT_CONNECTABLE",
            )
        return terms


def _terms_of(keychain: Keychain, stored: StoredCredential) -> Terms:
    opened = keychain.opened(stored)
    return _oauth2(opened).terms(opened.fields)


def _oauth2(opened: OpenCredential) -> OAuth2Type[Any]:
    if isinstance(opened.kind, OAuth2Type):
        return opened.kind
    raise InvalidInput(
        f"Credentials of the type {opened.type} have no tokens: they hold all it takes.",
        reason="NOT_CONNECTABLE",
    )


def _as_app_error(error: NodeError) -> AppError:
    if error.failure.code == "credential_not_connected":
        return InvalidInput(error.failure.message, reason="CONNECT_REFUSED")
    return Unavailable(
        f"The token server could not be asked: {error.failure.message}", reason="TOKEN_SERVER_AWAY"
    )


def _unknown() -> NotFound:
    return NotFound(
        "This connection is unknown, over, or was begun anew. Begin it once more.",
        reason="CONNECT_NOT_FOUND",
    )

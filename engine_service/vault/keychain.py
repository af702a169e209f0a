"""The keychain: the one place where credentials are opened, kept fresh and closed again.

An executor asks for what a node refers to and gets opened credentials that sign requests, at their
hosts only. A token that has run out is renewed by whoever comes first: a lock within the process,
the row's lock between processes, and the result is sealed before anybody uses it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from weakref import WeakValueDictionary

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.credentials import BY_TYPE
from engine_service.sdk import oauth2
from engine_service.sdk.credential import (
    AccountType,
    CredentialFields,
    CredentialType,
    OAuth2Type,
    SecretType,
    with_header,
)
from engine_service.sdk.node import Failed, HttpClient, HttpRequest, NodeError
from engine_service.sdk.oauth2 import Terms, TokenRefused, Tokens
from engine_service.store import credentials as store
from engine_service.store.credentials import EXPIRED, READY, UNCONNECTED, StoredCredential, whose
from engine_service.vault.sealing import Sealed, Vault
from engine_service.web.binding import Binding
from shared.clock import Clock
from shared.database import Database
from shared.errors import Internal, Unavailable
from shared.workflow import JsonObject

log = structlog.get_logger()

HIDDEN = "[hidden]"
_SHORTEST_HIDDEN = 4
"""Shorter secrets are no secrets, and hiding them would tear other texts apart."""
_EARLY = timedelta(seconds=60)
"""Tokens are renewed before they run out on the way."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is sealed of a credential.

    Attributes:
        secrets: The secret fields.
        tokens: What a token server gave.
        pending: A consent that was asked for and has not come back.
    """

    secrets: JsonObject = field(repr=False)
    tokens: Tokens | None = None
    pending: JsonObject | None = field(default=None, repr=False)


class Keychain:
    """Opens and closes credentials.

    Args:
        database: Acts as flowloom_app: what is opened is one tenant's.
        http: What token servers are asked with.
    """

    def __init__(self, database: Database, vault: Vault, http: HttpClient, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._http = http
        self._clock = clock
        self._renewing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, tenant_id: str, references: Mapping[str, str]) -> "NodeCredentials":
        """What a node of a tenant refers to, by type."""
        return NodeCredentials(self, tenant_id, references)

    # --- closing and opening

    def close(self, stored: StoredCredential, contents: Contents) -> StoredCredential:
        """A credential with these contents sealed in it.

        Raises:
            Unavailable: There is no master key.
        """
        said: JsonObject = {"secrets": contents.secrets}
        if contents.tokens is not None:
            said["tokens"] = contents.tokens.to_json()
        if contents.pending is not None:
            said["pending"] = contents.pending
        sealed = self._vault.seal(orjson.dumps(said), whose(stored))
        return replace(
            stored,
            key_id=sealed.key_id,
            wrapped_key=sealed.wrapped_key,
            sealed=sealed.ciphertext,
            expires_at=contents.tokens.expires_at if contents.tokens else None,
        )

    def contents(self, stored: StoredCredential) -> Contents:
        """What is sealed in a credential.

        Raises:
            Locked: It cannot be opened with the keys that are here.
        """
        sealed = Sealed(stored.key_id, stored.wrapped_key, stored.sealed)
        said = orjson.loads(self._vault.open(sealed, whose(stored)))
        tokens = said.get("tokens")
        return Contents(
            said["secrets"], Tokens.from_json(tokens) if tokens else None, said.get("pending")
        )

    def opened(self, stored: StoredCredential) -> "OpenCredential":
        """A credential, ready for use.

        Raises:
            Locked: It cannot be opened with the keys that are here.
            Internal: It is of a type that this engine does not have, or its fields do not fit.
        """
        kind, contents = BY_TYPE.get(stored.type), self.contents(stored)
        try:
            if kind is None:
                raise ValueError("unknown type")
            fields = kind.Fields.model_validate({**stored.data, **contents.secrets})
            binding = Binding.parse(stored.hosts)
        except ValueError as error:
            detail = "fields" if isinstance(error, ValidationError) else str(error)
            log.error("credential_unreadable", credential_id=stored.id, because=detail)
            message = f"The credential {stored.name!r} cannot be used by this engine."
            raise Internal(message, reason="CREDENTIAL_UNREADABLE") from None
        return OpenCredential(self, stored, kind, Opened(fields, binding, contents.tokens))

    async def find(self, tenant_id: str, id_or_name: str) -> "OpenCredential | None":
        """The credential that a definition refers to, opened.

        Raises:
            Locked: It cannot be opened with the keys that are here.
            Internal: It is of a type that this engine does not have, or its fields do not fit.
            Unavailable: The database is away.
        """
        async with self._database.transaction(tenant_id) as connection:
            stored = await store.find_credential(connection, id_or_name)
        return None if stored is None else self.opened(stored)

    # --- tokens

    def is_fresh(self, tokens: Tokens | None) -> bool:
        """Whether tokens can be used for the next request."""
        if tokens is None:
            return False
        return tokens.expires_at is None or tokens.expires_at - _EARLY > self._clock.now()

    async def renewed(
        self, stored: StoredCredential, kind: OAuth2Type[Any], stale: Tokens | None
    ) -> Tokens:
        """Tokens other than the stale ones, from the token server unless somebody was quicker.

        Raises:
            NodeError: There are none to be had.
        """
        lock = self._renewing.setdefault(stored.id, asyncio.Lock())
        async with lock:
            async with self._database.transaction(stored.tenant_id) as connection:
                current = await store.lock_credential(connection, stored.id)
                contents = self.contents(current)
                known = contents.tokens
                if known is not None and known != stale and self.is_fresh(known):
                    return known
                terms = kind.terms(self.opened(current).fields)
                try:
                    if current.status == EXPIRED:
                        raise TokenRefused("Its consent has ended.")
                    tokens = await oauth2.renew(self._http, terms, known, self._clock.now())
                except TokenRefused as refused:
                    refusal = str(refused)
                    await self._note_refusal(connection, current, terms, known)
                else:
                    contents = replace(contents, tokens=tokens)
                    fresh = self.close(replace(current, status=READY), contents)
                    await store.save_credential(connection, fresh)
                    return tokens
            message = f"The credential {stored.name!r} has to be connected (again). {refusal}"
            raise NodeError(Failed("credential_not_connected", message))

    async def _note_refusal(
        self,
        connection: AsyncConnection,
        stored: StoredCredential,
        terms: Terms,
        known: Tokens | None,
    ) -> None:
        """Say at the credential that somebody must consent (again)."""
        if terms.grant == "client_credentials":
            return  # it needs nobody; whoever mends the server's mind mends it
        status = UNCONNECTED if known is None else EXPIRED
        if status != stored.status:
            log.info("credential_refused", credential_id=stored.id, status=status)
            changed = stored.changed(self._clock.now(), status=status)
            await store.save_credential(connection, changed)


@dataclass(slots=True)
class Opened:
    """What an opened credential consists of."""

    fields: CredentialFields = field(repr=False)
    binding: Binding
    tokens: Tokens | None = None


class OpenCredential:
    """An opened credential; implements `node.Credential`. It shows nothing when printed."""

    def __init__(
        self, keychain: Keychain, stored: StoredCredential, kind: CredentialType[Any], what: Opened
    ) -> None:
        self.id = stored.id
        self.kind = kind
        self._keychain = keychain
        self._stored = stored
        self._what = what

    @property
    def type(self) -> str:
        return self._stored.type

    @property
    def fields(self) -> CredentialFields:
        """Its fields, secrets included."""
        return self._what.fields

    def covers(self, scheme: str, host: str, port: int) -> bool:
        return self._what.binding.covers(scheme, host, port)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        if isinstance(self.kind, SecretType):
            await self.kind.prepare()
            return self.kind.apply(self._what.fields, request)
        if isinstance(self.kind, AccountType):
            message = f"A credential of the type {self.type} is not for HTTP."
            raise NodeError(Failed("credential_wrong_type", message))
        if not self._keychain.is_fresh(self._what.tokens):
            await self._renew()
        assert self._what.tokens is not None
        token = self._what.tokens.access_token
        return with_header(request, "authorization", f"Bearer {token}")

    async def renew(self) -> bool:
        if not isinstance(self.kind, OAuth2Type):
            return False
        try:
            await self._renew()
        except NodeError as error:
            log.info("credential_not_renewed", credential_id=self.id, because=error.failure.code)
            return False
        return True

    def hide(self, text: str) -> str:
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        return text

    def open_fields(self) -> Mapping[str, Any]:
        return self._what.fields.model_dump(exclude=set(self.kind.secret_names()))

    def reveal(self) -> Mapping[str, Any]:
        return self._what.fields.model_dump()

    async def _renew(self) -> None:
        kind = cast("OAuth2Type[Any]", self.kind)
        self._what.tokens = await self._keychain.renewed(self._stored, kind, self._what.tokens)

    def _secrets(self) -> Sequence[str]:
        """Longest first: one may hold another."""
        shown = self._what.fields.model_dump(include=set(self.kind.secret_names()))
        texts = [value for value in shown.values() if isinstance(value, str)]
        if isinstance(self.kind, SecretType):
            texts += self.kind.forms(self._what.fields)
        if self._what.tokens is not None:
            texts += [self._what.tokens.access_token, self._what.tokens.refresh_token]
        long_enough = {text for text in texts if len(text) >= _SHORTEST_HIDDEN}
        return sorted(long_enough, key=len, reverse=True)


class NodeCredentials:
    """What one node refers to; implements `node.Credentials`."""

    def __init__(self, keychain: Keychain, tenant_id: str, references: Mapping[str, str]) -> None:
        self._keychain = keychain
        self._tenant_id = tenant_id
        self._references = references
        self._found: dict[str, OpenCredential] = {}

    async def find(self, *types: str) -> OpenCredential | None:
        kind = next((one for one in types or self._references if one in self._references), None)
        if kind is None:
            return None
        if kind not in self._found:
            self._found[kind] = await self._open(kind, self._references[kind])
        return self._found[kind]

    def hide(self, text: str) -> str:
        for credential in self._found.values():
            text = credential.hide(text)
        return text

    async def _open(self, kind: str, id_or_name: str) -> OpenCredential:
        try:
            found = await self._keychain.find(self._tenant_id, id_or_name)
        except (Internal, Unavailable) as error:
            failure = Failed(error.code.lower(), error.message, retryable=error.retryable)
            raise NodeError(failure) from None
        if found is None:
            message = f"There is no credential {id_or_name!r}."
            raise NodeError(Failed("credential_missing", message))
        if found.type != kind:
            message = f"The credential {id_or_name!r} is of the type {found.type}, not {kind}."
            raise NodeError(Failed("credential_wrong_type", message))
        return found

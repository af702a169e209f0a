"""Runs a connector's node against fakes of vendors, with real credentials."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine_service.sdk.blob import Blobs
from engine_service.sdk.node import ActionNode, Credential, Outcome
from engine_service.store.credentials import READY, StoredCredential
from engine_service.vault.drafts import draft, kind_of
from engine_service.vault.keychain import Contents, Keychain
from engine_service.vault.sealing import Vault
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole
from shared.workflow import Item, JsonObject
from tests.support.detour import Detour
from tests.support.keychain import KEYS
from tests.support.run_node import Watched, allowing, given, run_action, services
from tests.support.vendors.fake import FakeVendor, running


class Found:
    """The credentials that a node refers to; implements `node.Credentials`."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._credentials = credentials

    async def find(self, *types: str) -> Credential | None:
        wanted = (one for one in self._credentials if not types or one.type in types)
        return next(wanted, None)

    def hide(self, text: str) -> str:
        for credential in self._credentials:
            text = credential.hide(text)
        return text


@dataclass
class Desk:
    """Where a node is run: its way to the vendors, and what it told."""

    http: Detour
    watched: Watched

    async def run(
        self,
        node_type: type[ActionNode[Any]],
        parameters: JsonObject | Sequence[JsonObject],
        *credentials: Credential,
        items: list[Item] | None = None,
        blobs: Blobs | None = None,
    ) -> Outcome:
        """Run a node with one item for each of the parameters, unless with others."""
        each = [parameters] if isinstance(parameters, dict) else list(parameters)
        what = given(node_type, each, items or [{"json": {}} for _ in each])
        found = Found(credentials)
        world = services(http=self.http, credentials=found, watched=self.watched, blobs=blobs)
        return await run_action(node_type, what, world)


@asynccontextmanager
async def desk(*vendors: FakeVendor) -> AsyncGenerator[Desk]:
    """A desk before running vendors."""
    async with running(*vendors):
        client = allowing(*(vendor.server.authority for vendor in vendors))
        try:
            yield Desk(Detour(client, vendors), Watched())
        finally:
            await client.close()


def credential(kind: str, data: JsonObject, *hosts: str) -> Credential:
    """A credential as the keychain opens it; its tokens cannot be renewed here."""
    keychain = Keychain(
        Database("postgresql://nobody@127.0.0.1:9/none", DatabaseRole.APP),
        Vault.parse(KEYS),
        allowing(),
        SystemClock(),
    )
    made = draft(kind_of(kind), data, list(hosts))
    now = datetime.now(UTC)
    unsealed = StoredCredential(
        id="cred_1",
        tenant_id="tenant",
        name=kind,
        type=kind,
        hosts=made.hosts,
        data=made.data,
        secrets=sorted(made.secrets),
        status=READY,
        key_id="",
        wrapped_key=b"",
        sealed=b"",
        expires_at=None,
        etag="e",
        created_by="test",
        created_at=now,
        updated_at=now,
    )
    return keychain.opened(keychain.close(unsealed, Contents(dict(made.secrets))))

"""Credentials for tests of nodes and of the engine: a vault's keys, and credentials put in."""

import base64
from datetime import UTC, datetime
from typing import Any

from engine_service.store.credentials import READY, StoredCredential, insert_credential
from engine_service.vault.drafts import draft, kind_of
from engine_service.vault.keychain import Contents, Keychain
from shared.database import Database
from shared.ids import new_id

KEYS = f"test:{base64.b64encode(b'k' * 32).decode()}"


async def save_credential(
    database: Database,
    keychain: Keychain,
    tenant_id: str,
    kind: str,
    data: dict[str, Any],
    *,
    name: str = "",
    hosts: list[str] | None = None,
    status: str = READY,
) -> StoredCredential:
    """Seal and store a credential."""
    now = datetime.now(UTC)
    made = draft(kind_of(kind), data, hosts or [])
    unsealed = StoredCredential(
        id=new_id("cred"),
        tenant_id=tenant_id,
        name=name or new_id("name"),
        type=kind,
        hosts=made.hosts,
        data=made.data,
        secrets=sorted(made.secrets),
        status=status,
        key_id="",
        wrapped_key=b"",
        sealed=b"",
        expires_at=None,
        etag="e",
        created_by="test",
        created_at=now,
        updated_at=now,
    )
    stored = keychain.close(unsealed, Contents(dict(made.secrets)))
    async with database.transaction(tenant_id) as connection:
        await insert_credential(connection, stored)
    return stored

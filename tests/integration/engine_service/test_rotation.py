"""Master keys change while credentials stay: every data key is wrapped anew, none is lost."""

import asyncio
import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine_service.store.credentials import get_credential
from engine_service.vault.keychain import Keychain
from engine_service.vault.rotation import rotate
from engine_service.vault.sealing import Vault
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import SystemClock
from shared.database import Database
from tests.support.keychain import save_credential

ROOT = Path(__file__).parents[3]
OLD = f"old:{base64.b64encode(b'o' * 32).decode()}"
NEW = f"new:{base64.b64encode(b'n' * 32).decode()}"


def keychain(database: Database, keys: str) -> Keychain:
    http = GuardedHttpClient(AllowList())
    return Keychain(database, Vault.parse(keys), http, SystemClock())


async def test_every_tenants_credentials_change_keys(
    engine_url: str, app_database: Database, worker_database: Database
) -> None:
    before = keychain(app_database, OLD)
    saved = [
        await save_credential(
            *(app_database, before, tenant, "http.bearer"),
            {"token": f"token of {tenant}"},
            hosts=["api.example.com"],
        )
        for tenant in ("ten_a", "ten_b")
        for _ in range(60)  # more than one batch
    ]
    rotated = await rotate(worker_database, Vault.parse(f"{NEW},{OLD}"))
    assert (rotated.done, rotated.locked) == (len(saved), ())
    after = keychain(app_database, NEW)
    for stored in (saved[0], saved[-1]):
        async with app_database.transaction(stored.tenant_id) as connection:
            found = await get_credential(connection, stored.id)
        assert after.contents(found).secrets == {"token": f"token of {stored.tenant_id}"}
        assert (found.sealed, found.etag) == (stored.sealed, stored.etag)
    lost = await rotate(worker_database, Vault.parse(OLD))
    assert (lost.done, len(lost.locked)) == (0, len(saved))


async def run_program(url: str, keys: str) -> tuple[int | None, str]:
    environment: Mapping[str, str] = {
        **os.environ,
        "DATABASE_URL": url,
        "MESH_SECRET": "s" * 32,
        "ENGINE_CREDENTIAL_KEYS": keys,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine_service", "rotate-credentials"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.long
async def test_operators_have_a_command_for_it(engine_url: str, app_database: Database) -> None:
    before = keychain(app_database, f"first:{OLD.partition(':')[2]}")
    await save_credential(
        *(app_database, before, "ten_c", "http.bearer"), {"token": "t"}, hosts=["a.example.com"]
    )
    code, said = await run_program(engine_url, "")
    assert (code, said) == (2, "ENGINE_CREDENTIAL_KEYS names no key.\n")
    third = f"third:{base64.b64encode(b't' * 32).decode()}"
    code, said = await run_program(engine_url, f"{third},{NEW},first:{OLD.partition(':')[2]}")
    assert code == 0, said
    assert "are under the key third now." in said

"""Rotation: puts every credential's data key under the first master key of the setting.

`python -m engine_service rotate-credentials`, for whoever holds keys and database: with a new
key in front of ENGINE_CREDENTIAL_KEYS, once every engine has been restarted with it. What is sealed
is not opened, only its key; engines may go on meanwhile. Afterwards the old key can be taken away.
"""

import asyncio
import sys
from dataclasses import dataclass

from pydantic import ValidationError

from engine_service.settings import Settings
from engine_service.store.credentials import lock_under_other_keys, save_wrapped_key, whose
from engine_service.vault.sealing import Locked, Sealed, Vault
from shared.database import Database, DatabaseRole
from shared.errors import Unavailable

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of it: how many are under the first key now, and which could not be put there."""

    done: int
    locked: tuple[str, ...]


async def rotate(database: Database, vault: Vault) -> Rotated:
    """Put every data key under the vault's first key.

    Args:
        database: Acts as flowloom_worker.
        vault: It has the keys that are to be left as well.

    Raises:
        Unavailable: The database is away; what was done stays done.
    """
    done, locked, after = 0, list[str](), ""
    while True:
        async with database.transaction() as connection:
            rows = await lock_under_other_keys(connection, vault.key_id, after, _AT_ONCE)
            for row in rows:
                sealed = Sealed(row.key_id, row.wrapped_key, row.sealed)
                try:
                    new = vault.rewrap(sealed, whose(row))
                except Locked:
                    locked.append(row.id)
                    continue
                await save_wrapped_key(connection, row.id, new.key_id, new.wrapped_key)
                done += 1
        if len(rows) < _AT_ONCE:
            return Rotated(done, tuple(locked))
        after = rows[-1].id


async def _rotate(settings: Settings) -> int:
    vault = Vault.parse(settings.engine_credential_keys.get_secret_value())
    if not vault.key_id:
        sys.stderr.write("ENGINE_CREDENTIAL_KEYS names no key.\n")
        return 2
    database = Database(settings.database_url.get_secret_value(), DatabaseRole.WORKER, size=1)
    try:
        rotated = await rotate(database, vault)
    finally:
        await database.close()
    sys.stdout.write(f"{rotated.done} credentials are under the key {vault.key_id} now.\n")
    if rotated.locked:
        sys.stderr.write(
            f"{len(rotated.locked)} could not be opened with the keys that are here: "
            f"{', '.join(rotated.locked[:10])}\n"
        )
    return 1 if rotated.locked else 0


def main() -> int:
    """Rotate; how it ended, as an exit code."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
        return asyncio.run(_rotate(settings))
    except ValidationError as error:
        sys.stderr.write(f"The engine's settings are not right.\n{error}\n")
        return 2
    except (Unavailable, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1

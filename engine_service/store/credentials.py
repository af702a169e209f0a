"""Credentials in PostgreSQL: what may be shown of them, and what is sealed."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import Conflict, NotFound
from shared.ids import is_id
from shared.pages import Page
from shared.workflow import JsonObject

READY, UNCONNECTED, EXPIRED = "ready", "unconnected", "expired"
_NAME_TAKEN = "CREDENTIAL_NAME_TAKEN"

metadata = sa.MetaData(schema="engine")
credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("hosts", pg.ARRAY(sa.Text)),
    sa.Column("data", sa.JSON),
    sa.Column("secrets", pg.ARRAY(sa.Text)),
    sa.Column("status", sa.Text),
    sa.Column("key_id", sa.Text),
    sa.Column("wrapped_key", sa.LargeBinary),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("etag", sa.Text),
    sa.Column("created_by", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """A credential, closed.

    Attributes:
        hosts: Where it may be shown.
        data: The fields that are no secrets. secrets: The names of those that are.
        status: ready, unconnected (nobody has consented yet) or expired (somebody must again).
        expires_at: When the access token ends that is sealed, if there is one and it ends.
    """

    id: str
    tenant_id: str
    name: str
    type: str
    hosts: Sequence[str]
    data: JsonObject
    secrets: Sequence[str]
    status: str
    key_id: str
    wrapped_key: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    expires_at: datetime | None
    etag: str
    created_by: str
    created_at: datetime
    updated_at: datetime

    def changed(self, now: datetime, **changes: Any) -> "StoredCredential":
        """The credential after some changes, with a new etag."""
        return replace(self, **changes, etag=secrets.token_hex(8), updated_at=now)


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known of a credential without reading what is sealed."""

    id: str
    name: str
    type: str
    status: str


def whose(stored: StoredCredential) -> str:
    """Whom a credential's contents are sealed for."""
    return f"{stored.tenant_id}\0{stored.id}"


async def insert_credential(connection: AsyncConnection, credential: StoredCredential) -> None:
    """Store a new credential.

    Raises:
        Conflict: The tenant has one of this name.
    """
    stored = await connection.execute(
        pg.insert(credentials)
        .values(_values(credential))
        .on_conflict_do_nothing(index_elements=[credentials.c.tenant_id, credentials.c.name])
        .returning(credentials.c.id)
    )
    if stored.scalar() is None:
        raise _name_taken(credential.name)


async def get_credential(connection: AsyncConnection, credential_id: str) -> StoredCredential:
    """One credential.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, credential_id, sa.select(credentials))


async def lock_credential(connection: AsyncConnection, credential_id: str) -> StoredCredential:
    """One credential, which nobody else changes until the transaction ends.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, credential_id, sa.select(credentials).with_for_update())


async def find_credential(connection: AsyncConnection, id_or_name: str) -> StoredCredential | None:
    """The credential that a definition refers to: by its id, or else by its name."""
    query = sa.select(credentials).where(_meant([id_or_name]))
    rows = (await connection.execute(query)).mappings().all()
    named = [row for row in rows if row["id"] == id_or_name] or rows
    return StoredCredential(**named[0]) if named else None


async def find_references(
    connection: AsyncConnection, ids_or_names: Sequence[str]
) -> Sequence[Reference]:
    """Those of the credentials meant that there are, without what is sealed."""
    if not ids_or_names:
        return []
    table = credentials.c
    query = sa.select(table.id, table.name, table.type, table.status)
    found = await connection.execute(query.where(_meant(ids_or_names)))
    return [Reference(**row) for row in found.mappings()]


async def list_credentials(
    connection: AsyncConnection, page: Page, kind: str = ""
) -> Sequence[StoredCredential]:
    """Credentials, newest first: one more than the page holds, when there are more."""
    query = sa.select(credentials).order_by(credentials.c.id.desc()).limit(page.size + 1)
    if kind:
        query = query.where(credentials.c.type == kind)
    if page.after:
        query = query.where(credentials.c.id < page.after)
    found = await connection.execute(query)
    return [StoredCredential(**row) for row in found.mappings()]


async def save_credential(connection: AsyncConnection, credential: StoredCredential) -> None:
    """Store what has changed about a credential that this transaction has locked.

    Raises:
        Conflict: Another one of the tenant has its name.
    """
    changing = credentials.update().where(credentials.c.id == credential.id)
    try:
        await connection.execute(changing.values(_values(credential)))
    except IntegrityError as error:
        raise _name_taken(credential.name) from error


async def delete_credential(connection: AsyncConnection, credential_id: str) -> None:
    """Take a credential away, for good."""
    await connection.execute(credentials.delete().where(credentials.c.id == credential_id))


async def lock_under_other_keys(
    connection: AsyncConnection, key_id: str, after: str, at_most: int
) -> Sequence[StoredCredential]:
    """Credentials of all tenants whose data keys another master key wraps, behind an id.

    Nobody else changes them until the transaction ends.
    """
    found = await connection.execute(
        sa.select(credentials)
        .where(credentials.c.key_id != key_id, credentials.c.id > after)
        .order_by(credentials.c.id)
        .limit(at_most)
        .with_for_update()
    )
    return [StoredCredential(**row) for row in found.mappings()]


async def save_wrapped_key(
    connection: AsyncConnection, credential_id: str, key_id: str, wrapped_key: bytes
) -> None:
    """Store a data key under another master key."""
    await connection.execute(
        credentials.update()
        .where(credentials.c.id == credential_id)
        .values(key_id=key_id, wrapped_key=wrapped_key)
    )


def _meant(ids_or_names: Sequence[str]) -> sa.ColumnElement[bool]:
    wanted = list(ids_or_names)
    return credentials.c.id.in_(wanted) | credentials.c.name.in_(wanted)


async def _get(
    connection: AsyncConnection, credential_id: str, query: "sa.Select[tuple[object, ...]]"
) -> StoredCredential:
    if is_id("cred", credential_id):
        found = await connection.execute(query.where(credentials.c.id == credential_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return StoredCredential(**row)
    raise NotFound("There is no such credential.", reason="CREDENTIAL_NOT_FOUND")


def _values(credential: StoredCredential) -> dict[str, object]:
    return {name: getattr(credential, name) for name in StoredCredential.__slots__}


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There is a credential of the name {name!r} already.", reason=_NAME_TAKEN)

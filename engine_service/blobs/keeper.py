"""Files as tenants and runs see them: a row in PostgreSQL, bytes in the object store.

A file is announced, written, and only then complete; who reads it first sees whether it is the
tenant's. Limits hold while bytes flow, so that no download fills the store before it is refused.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import obstore
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.blobs.objects import Objects, Writing
from engine_service.sdk.blob import Blob, BlobWriter
from engine_service.sdk.failure import Failed, NodeError
from engine_service.store import blobs as rows
from engine_service.store.blobs import NewBlob
from shared.clock import Clock
from shared.database import Database
from shared.ids import is_id, new_id

T = TypeVar("T")

_THREADS = 4
_LONGEST_NAME = 255
_LONGEST_TYPE = 200


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """How much may be kept, in bytes: by one file, one run, one tenant; 0 is no limit."""

    file: int = 2 * 1024**3
    run: int = 10 * 1024**3
    tenant: int = 0


class Keeper:
    """Keeps the files of all tenants. Close it when done.

    Args:
        database: Acts as flowloom_app.
        objects: Where the bytes are.
    """

    def __init__(
        self, database: Database, objects: Objects, clock: Clock, limits: BlobLimits | None = None
    ) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock
        self.limits = limits or BlobLimits()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="files")

    def of(self, tenant_id: str, run_id: str = "") -> "RunBlobs":
        """The files of a run, which may be about to begin; without one, nobody's for a day."""
        return RunBlobs(self, tenant_id, run_id)

    async def work(self, job: Callable[[], T]) -> T:
        """Run a job in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    async def close(self) -> None:
        """Let jobs end."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)


class RunBlobs:
    """A tenant's files as one run may use them; implements `blob.Blobs`."""

    def __init__(self, keeper: Keeper, tenant_id: str, run_id: str) -> None:
        self._keeper = keeper
        self._tenant_id = tenant_id
        self._run_id = run_id

    async def find(self, blob_id: str) -> Blob:
        """A file of this tenant, kept for this run from now on.

        Raises:
            NodeError: There is none.
        """
        blob = None
        if is_id("blob", blob_id):
            async with self._keeper.database.transaction(self._tenant_id) as connection:
                blob = await rows.find_blob(connection, blob_id)
                if blob is not None and self._run_id:
                    now = self._keeper.clock.now()
                    key = self._tenant_id, self._run_id, blob_id
                    await rows.use_blob(connection, *key, now)
        if blob is None:
            raise _gone()
        return blob

    @asynccontextmanager
    async def create(self, file_name: str, media_type: str) -> AsyncGenerator[BlobWriter]:
        """A new file: kept when the block ends, dropped when it raises.

        Raises:
            NodeError: There is no room for it, or the store is away.
        """
        keeper = self._keeper
        new = NewBlob(
            id=new_id("blob"),
            tenant_id=self._tenant_id,
            run_id=self._run_id,
            file_name=_plain(file_name, _LONGEST_NAME),
            media_type=_plain(media_type, _LONGEST_TYPE),
            now=keeper.clock.now(),
        )
        async with keeper.database.transaction(self._tenant_id) as connection:
            room = await self._room(connection)
            await rows.insert_blob(connection, new)
        writer = _Writer(keeper, new, room)
        try:
            await keeper.work(writer.begin)
            yield writer
            await keeper.work(writer.finish)
        except (
            OSError,
            obstore.exceptions.BaseError,
        ) as error:  # what was announced and not finished is collected later
            raise _as_node_error(error) from error
        async with keeper.database.transaction(self._tenant_id) as connection:
            await rows.complete_blob(connection, new, writer.size, writer.blob.sha256)

    async def open(self, blob_id: str) -> BinaryIO:
        """A file to be read in a job."""
        blob = await self.find(blob_id)
        try:
            return await self._keeper.work(
                lambda: self._keeper.objects.open(key_of(self._tenant_id, blob.id))
            )
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _as_node_error(error) from error

    async def stream(self, blob_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes of a file, piece by piece."""
        blob = await self.find(blob_id)
        try:
            async for piece in self._keeper.objects.stream(key_of(self._tenant_id, blob.id), start):
                yield piece
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _as_node_error(error) from error

    async def work(self, job: Callable[[], T]) -> T:
        """Run a job in a thread."""
        return await self._keeper.work(job)

    async def _room(self, connection: AsyncConnection) -> list[tuple[int, Failed]]:
        """How large one more file may be, and what is said beyond."""
        limits = self._keeper.limits
        room: list[tuple[int, Failed]] = []
        if limits.file:
            message = f"A file may have {limits.file} bytes at the most."
            room.append((limits.file, Failed("file_too_large", message)))
        if limits.run and self._run_id:
            left = limits.run - await rows.bytes_of_run(connection, self._run_id)
            message = f"The files of a run may have {limits.run} bytes together."
            room.append((left, Failed("run_files_too_large", message)))
        if limits.tenant:
            left = limits.tenant - await rows.bytes_of_tenant(connection)
            message = "All the room for files is taken; delete runs that are not needed."
            room.append((left, Failed("file_quota_exceeded", message)))
        return room


class _Writer:
    """Counts and digests what goes into the store; implements `blob.BlobWriter`."""

    def __init__(self, keeper: Keeper, new: NewBlob, room: list[tuple[int, Failed]]) -> None:
        self._keeper = keeper
        self._new = new
        self._room = room
        self._digest = hashlib.sha256()
        self._writing: Writing | None = None
        self.size = 0

    def begin(self) -> None:
        """Begin the object."""
        self._writing = self._keeper.objects.write(key_of(self._new.tenant_id, self._new.id))

    def finish(self) -> None:
        """Keep the object."""
        assert self._writing is not None
        self._writing.finish()

    @property
    def blob(self) -> Blob:
        """What was written."""
        new = self._new
        return Blob(new.id, new.file_name, new.media_type, self.size, self._digest.hexdigest())

    def write(self, data: bytes) -> int:
        """Add bytes, from a job."""
        assert self._writing is not None
        self.size += len(data)
        for most, failed in self._room:
            if self.size > most:
                raise NodeError(failed)
        self._digest.update(data)
        self._writing.write(data)
        return len(data)

    async def send(self, data: bytes) -> None:
        """Add bytes, from the event loop."""
        await self._keeper.work(lambda: self.write(data))


def key_of(tenant_id: str, blob_id: str) -> str:
    """Where the bytes of a file are."""
    return f"{quote(tenant_id, safe='')}/{blob_id}"


def _plain(text: str, longest: int) -> str:
    """A name on one line, without what PostgreSQL and headers refuse; its end is kept."""
    return "".join(sign if sign.isprintable() else "_" for sign in text)[-longest:]


def _gone() -> NodeError:
    return NodeError(Failed("file_not_found", "There is no such file (any more)."))


def _as_node_error(error: Exception) -> NodeError:
    if isinstance(error, FileNotFoundError):
        return _gone()
    message = "The blob store does not answer."
    return NodeError(Failed("blob_store_away", message, retryable=True))

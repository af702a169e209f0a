"""What a file is to a node: a reference in an item, and a few ways to the bytes behind it.

An item carries `binary: {name: {id, file_name, media_type, size}}` and never the bytes. Bytes are
streamed: from the event loop with `stream` and `send`, or, where a library wants an ordinary file,
with `open` and `write` inside a job that `work` runs in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import BinaryIO, NoReturn, Protocol, TypeVar

from engine_service.sdk.failure import Failed, NodeError
from shared.workflow import JsonObject

T = TypeVar("T")

UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that is kept; `sha256` is in hexadecimal."""

    id: str
    file_name: str
    media_type: str
    size: int
    sha256: str

    def reference(self) -> JsonObject:
        """What stands for it in an item."""
        return {
            "id": self.id,
            "file_name": self.file_name,
            "media_type": self.media_type,
            "size": self.size,
        }


class BlobWriter(Protocol):
    """A file that is being written."""

    @property
    def size(self) -> int:
        """Bytes so far."""
        ...

    @property
    def blob(self) -> Blob:
        """The file, once its block has ended."""
        ...

    def write(self, data: bytes) -> int:
        """Add bytes, from a job; blocks until they are taken.

        Raises:
            NodeError: It has become larger than it may.
        """
        ...

    async def send(self, data: bytes) -> None:
        """Add bytes, from the event loop; a few hundred kilobytes at a time are cheapest.

        Raises:
            NodeError: It has become larger than it may.
        """
        ...


class Blobs(Protocol):
    """The files of one run and its tenant; engine_service/blobs/keeper.py has the real ones."""

    async def find(self, blob_id: str) -> Blob:
        """A file of this tenant, which is kept as long as this run is from now on.

        Raises:
            NodeError: There is none (any more).
        """
        ...

    def create(self, file_name: str, media_type: str) -> AbstractAsyncContextManager[BlobWriter]:
        """A new file: kept when the block ends, dropped when it raises.

        Raises:
            NodeError: There is no room for any.
        """
        ...

    async def open(self, blob_id: str) -> BinaryIO:
        """A file to be read, at any place, inside a job.

        Raises:
            NodeError: There is none (any more).
        """
        ...

    def stream(self, blob_id: str) -> AsyncIterator[bytes]:
        """The bytes of a file, piece by piece.

        Raises:
            NodeError: There is none (any more).
        """
        ...

    async def work(self, job: Callable[[], T]) -> T:
        """Run what would hold up the event loop in a thread; there are few of them."""
        ...


class NoBlobs:
    """Where no files can be kept."""

    async def find(self, blob_id: str) -> Blob:
        _refuse(blob_id)

    def create(self, file_name: str, media_type: str) -> AbstractAsyncContextManager[BlobWriter]:
        del media_type
        _refuse(file_name)

    async def open(self, blob_id: str) -> BinaryIO:
        _refuse(blob_id)

    def stream(self, blob_id: str) -> AsyncIterator[bytes]:
        _refuse(blob_id)

    async def work(self, job: Callable[[], T]) -> T:
        return await asyncio.to_thread(job)


def _refuse(what: str) -> NoReturn:
    del what
    message = "This engine keeps no files: its operator has not set ENGINE_BLOB_URL."
    raise NodeError(Failed("no_blob_store", message))

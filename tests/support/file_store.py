"""Files for tests of nodes: the engine's own object store in a directory, without rows."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from engine_service.blobs.objects import Objects, Writing
from engine_service.sdk.blob import Blob, BlobWriter
from engine_service.sdk.node import Failed, NodeError
from shared.ids import new_id
from shared.workflow import JsonObject

T = TypeVar("T")


class FileStore:
    """Implements `blob.Blobs`; jobs run at once."""

    def __init__(self, directory: Path, most: int = 10_000_000) -> None:
        self.directory = directory
        self._objects = Objects(directory.as_uri())
        self._most = most
        self._known: dict[str, Blob] = {}

    async def put(self, data: bytes, name: str = "file", media_type: str = "x/x") -> JsonObject:
        """Keep bytes; what stands for them in an item."""
        async with self.create(name, media_type) as writer:
            writer.write(data)
        return writer.blob.reference()

    def keep(self, blob_id: str, data: bytes, name: str, media_type: str) -> JsonObject:
        """Keep bytes under an id of one's own."""
        writer = _Writer(blob_id, name, media_type, self._objects, self._most)
        writer.write(data)
        writer.finish()
        self._known[blob_id] = writer.blob
        return writer.blob.reference()

    async def read(self, reference: JsonObject) -> bytes:
        """The bytes behind a reference."""
        return b"".join([piece async for piece in self.stream(reference["id"])])

    async def find(self, blob_id: str) -> Blob:
        if blob_id not in self._known:
            raise NodeError(Failed("file_not_found", "There is no such file (any more)."))
        return self._known[blob_id]

    @asynccontextmanager
    async def create(self, file_name: str, media_type: str) -> AsyncGenerator[BlobWriter]:
        writer = _Writer(new_id("blob"), file_name, media_type, self._objects, self._most)
        yield writer
        writer.finish()
        self._known[writer.blob.id] = writer.blob

    async def open(self, blob_id: str) -> BinaryIO:
        await self.find(blob_id)
        return self._objects.open(blob_id)

    async def stream(self, blob_id: str) -> AsyncIterator[bytes]:
        await self.find(blob_id)
        async for piece in self._objects.stream(blob_id):
            yield piece

    async def work(self, job: Callable[[], T]) -> T:
        return job()


class _Writer:
    def __init__(
        self, blob_id: str, name: str, media_type: str, objects: Objects, most: int
    ) -> None:
        self._told = blob_id, name, media_type
        self._most = most
        self._writing: Writing = objects.write(blob_id)
        self.size = 0

    @property
    def blob(self) -> Blob:
        return Blob(*self._told, self.size, "")

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._most:
            raise NodeError(Failed("file_too_large", "The file is too large."))
        self._writing.write(data)
        return len(data)

    async def send(self, data: bytes) -> None:
        self.write(data)

    def finish(self) -> None:
        self._writing.finish()

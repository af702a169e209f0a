"""Bytes under keys: a directory or an S3 bucket, which obstore serves alike.

A URL says which: `file:///var/lib/flowloom/blobs` or `s3://bucket/prefix`; S3's region, endpoint
and credentials come from the usual `AWS_…` variables or the machine's role. Uploads are multipart,
a few megabytes at a time, so nothing here holds a whole file.
"""

import io
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from pathlib import Path
from time import time
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore

PIECE_BYTES = 256 * 1024
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
_READ_BYTES = 1024 * 1024
_STALE_SECONDS = 24 * 3600.0


class Writing:
    """An object that is being written, from a thread; forgotten unless it is finished."""

    def __init__(self, store: "obstore.store.ObjectStore", key: str) -> None:
        self._file = obstore.open_writer(
            store, key, buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._file.write(data)

    def finish(self) -> None:
        """Keep what was written."""
        self._file.close()


class Objects:
    """The objects below one URL.

    Raises:
        ValueError: The URL is of no kind that can be used.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("file", "s3"):
            raise ValueError(f"ENGINE_BLOB_URL begins with file:// or s3://, not {parts.scheme!r}")
        self._directory = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._url = url

    @cached_property
    def _store(self) -> "obstore.store.ObjectStore":
        if self._directory is None:
            return obstore.store.from_url(self._url)
        return obstore.store.LocalStore(self._directory, mkdir=True)

    def write(self, key: str) -> Writing:
        """Begin an object."""
        return Writing(self._store, key)

    def open(self, key: str) -> BinaryIO:
        """An object to be read at any place, from a thread.

        Raises:
            FileNotFoundError: There is none.
        """
        return io.BufferedReader(_Readable(obstore.open_reader(self._store, key)), _READ_BYTES)

    async def stream(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes of an object from one place on.

        Raises:
            FileNotFoundError: There is none.
        """
        options: obstore.GetOptions = {"range": {"offset": start}} if start else {}
        found = await obstore.get_async(self._store, key, options=options)
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no matter."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    def sweep(self) -> None:
        """Delete parts of uploads whose process ended; in a bucket its own rules do that."""
        if self._directory is None:
            return
        for part in self._directory.glob("*/*#*"):
            if part.stat().st_mtime < time() - _STALE_SECONDS:
                part.unlink(missing_ok=True)


class _Readable(io.RawIOBase):
    """An object as Python's own buffered files want it."""

    def __init__(self, file: "obstore.ReadableFile") -> None:
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = memoryview(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

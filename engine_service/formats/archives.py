"""Archives: files packed into ZIP or gzip and unpacked again, with bounds on what that may come to.

A few kilobytes can unpack to terabytes, so what comes out is counted against what went in.
"""

import gzip
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from engine_service.formats.failing import Unreadable

Write = Callable[[bytes], int]

MOST_FILES = 1_000
_PIECE = 256 * 1024
_MOST_RATIO = 1_000
_ALWAYS_ALLOWED = 16 * 1024 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


class _Pipe:
    """A file that is only written; it tells where it is, which is all that ZIP needs."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._place = 0

    def write(self, data: bytes) -> int:
        self._place += len(data)
        self._write(bytes(data))
        return len(data)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        """Everything is handed on already."""


def write_zip(files: Sequence[tuple[str, BinaryIO]], write: Write, moment: datetime) -> None:
    """Pack files; those of one name get numbers."""
    taken: set[str] = set()
    with zipfile.ZipFile(cast("IO[bytes]", _Pipe(write)), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(_free(name, taken), moment.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as packed:
                while piece := file.read(_PIECE):
                    packed.write(piece)


def write_gzip(name: str, file: BinaryIO, write: Write, moment: datetime) -> None:
    """Compress one file."""
    with gzip.GzipFile(
        name, "wb", fileobj=cast("IO[bytes]", _Pipe(write)), mtime=moment.timestamp()
    ) as packed:
        while piece := file.read(_PIECE):
            packed.write(piece)


def list_zip(file: BinaryIO) -> list[str]:
    """The files of an archive, without directories.

    Raises:
        Unreadable: It is none, or holds too many.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except _BROKEN as error:
        raise Unreadable("The file is no ZIP archive.") from error
    if len(entries) > MOST_FILES:
        raise Unreadable(f"The archive holds more than {MOST_FILES} files.")
    return entries


def read_zip(file: BinaryIO, name: str, write: Write) -> None:
    """Unpack one file of an archive.

    Raises:
        Unreadable: It is broken, locked, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            size = archive.getinfo(name).compress_size
            with archive.open(name) as packed:
                _copy(packed, write, size)
    except _BROKEN as error:
        raise Unreadable(f"{base_name(name)} cannot be unpacked.") from error


def read_gzip(file: BinaryIO, size: int, write: Write) -> None:
    """Decompress one file.

    Raises:
        Unreadable: It is broken, or unpacks to too much.
    """
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            _copy(cast("IO[bytes]", packed), write, size)
    except _BROKEN as error:
        raise Unreadable("The file is no gzip file, or it is broken.") from error


def base_name(path: str) -> str:
    """The last step of a path, whoever wrote it."""
    return PurePosixPath(path.replace("\\", "/")).name or "file"


def _copy(packed: IO[bytes], write: Write, packed_size: int) -> None:
    most = max(_ALWAYS_ALLOWED, packed_size * _MOST_RATIO)
    size = 0
    while piece := packed.read(_PIECE):
        size += len(piece)
        if size > most:
            raise Unreadable("The file unpacks to far more than it is.")
        write(piece)


def _free(name: str, taken: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{stem}_{number}.{ending}" if dot and stem else f"{name}_{number}"
    taken.add(free)
    return free

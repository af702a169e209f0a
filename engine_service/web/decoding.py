"""Undoes the compression of answers, a bounded piece at a time.

A few kilobytes can unpack to gigabytes; pieces of bounded size let the reader stop in time.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

PIECE_BYTES = 256 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BadEncoding(ValueError):
    """The body is not encoded as its header says."""


class Decoder(Protocol):
    """Takes a body as it comes, gives it as it was meant."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes unpack to, piece by piece."""
        ...

    def finish(self) -> None:
        """Check that nothing is missing."""
        ...


def decoder_for(encoding: str) -> Decoder:
    """The decoder for a content-encoding header.

    Raises:
        BadEncoding: It names one that was not asked for.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Inflater()
        case other:
            raise BadEncoding(f"The answer is encoded as {other!r}, which was not asked for.")


class _Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Nothing can be missing."""


class _Inflater:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            piece = self._next(data)
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail

    def _next(self, data: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            if self._begun:
                raise BadEncoding("The answer is not encoded as it says.") from error
            # Some servers send `deflate` without its header.
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self._begun = True
            return self._next(data)
        self._begun = True
        return piece

    def finish(self) -> None:
        if self._begun and not self._inflate.eof:
            raise BadEncoding("The answer ends in the middle.")

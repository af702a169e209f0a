"""Files over HTTP: answers are streamed into the blob store, bodies are streamed from it."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from engine_service.sdk.blob import UNKNOWN_TYPE, Blob, Blobs
from engine_service.sdk.node import BodyStream, Failed, HttpResponse, NodeError
from engine_service.values.attachments import file_id
from engine_service.values.field_types import to_text
from engine_service.web.outgoing_bodies import Unsendable, part, quoted
from shared.workflow import Item, JsonObject

_PIECE_BYTES = 256 * 1024
_TOLD_EVERY = 8 * 1024 * 1024


@dataclass(slots=True)
class Download:
    """Takes an answer in as a file; a try that fails leaves nothing.

    Attributes:
        tell: Hears how many bytes there are, every few megabytes.
        blob: The file, once it is complete.
    """

    blobs: Blobs
    tell: Callable[[JsonObject], Awaitable[None]]
    blob: Blob | None = None

    @property
    def whole(self) -> Blob:
        """The file.

        Raises:
            NodeError: There is none, because the answer had no content.
        """
        if self.blob is None:
            raise NodeError(Failed("bad_response", "The answer holds no file."))
        return self.blob

    @asynccontextmanager
    async def take(self, head: HttpResponse) -> AsyncGenerator[Callable[[bytes], Awaitable[None]]]:
        """A place for the bytes behind an answer's head."""
        media_type = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = name_of(head.headers.get("content-disposition", ""), head.url)
        async with self.blobs.create(name, media_type or UNKNOWN_TYPE) as writer:
            gathered, told = bytearray(), 0

            async def send(data: bytes) -> None:
                nonlocal told
                gathered.extend(data)
                if len(gathered) < _PIECE_BYTES:
                    return
                await writer.send(bytes(gathered))
                gathered.clear()
                if writer.size - told >= _TOLD_EVERY:
                    told = writer.size
                    await self.tell({"file_name": name, "received": told})

            yield send
            if gathered:
                await writer.send(bytes(gathered))
        self.blob = writer.blob


def name_of(disposition: str, url: str) -> str:
    """What an answer's file is called: as its header says, or by the last step of its address."""
    message = Message()
    message["content-disposition"] = disposition
    said = message.get_filename() if disposition else None
    path = unquote(urlsplit(url).path)
    return PurePosixPath((said or path).replace("\\", "/")).name or "file"


async def file_body(name: Any, item: Item, blobs: Blobs) -> tuple[BodyStream, str]:
    """A file of an item as a body, and its type.

    Raises:
        NodeError: There is no such file.
    """
    blob = await blobs.find(file_id(item, _name(name)))
    return _stream([blob], blobs), blob.media_type


def sends_files(value: Any) -> bool:
    """Whether a multipart form names files of the item: `{binary: name}`."""
    if not isinstance(value, Mapping):
        return False
    values = cast("Mapping[str, Any]", value).values()
    return any(isinstance(one, dict) and "binary" in one for one in values)


async def form_body(value: Mapping[str, Any], item: Item, blobs: Blobs) -> tuple[BodyStream, str]:
    """A multipart form with files of an item, and its type.

    Raises:
        NodeError: There is no such file.
        Unsendable: It cannot be written as a form.
    """
    pieces: list[list[bytes | Blob]] = []
    for name, content in value.items():
        if isinstance(content, dict) and "binary" in content:
            blob = await blobs.find(file_id(item, _name(cast("JsonObject", content)["binary"])))
            head = (
                f'content-disposition: form-data; name="{quoted(name)}"; '
                f'filename="{quoted(blob.file_name)}"\r\ncontent-type: {blob.media_type}\r\n\r\n'
            )
            pieces.append([head.encode(), blob])
        elif content is not None:
            pieces.append([part(name, content)])
    flat = [piece for one in pieces for piece in one]
    marks = [piece.id.encode() if isinstance(piece, Blob) else piece for piece in flat]
    # The same form has the same boundary, so that a repeat is the same request, byte for byte.
    boundary = "flowloom-" + hashlib.sha256(b"\0".join(marks)).hexdigest()[:32]
    line = b"--" + boundary.encode("ascii")
    body: list[bytes | Blob] = []
    for one in pieces:
        body += [line + b"\r\n", *one, b"\r\n"]
    return _stream([*body, line + b"--\r\n"], blobs), f"multipart/form-data; boundary={boundary}"


def _name(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise Unsendable(f"A file is named by a text, not by {to_text(value)!r}.")


def _stream(pieces: list[bytes | Blob], blobs: Blobs) -> BodyStream:
    async def begin() -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            async for data in blobs.stream(piece.id):
                yield data

    size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)
    return BodyStream(size, begin)

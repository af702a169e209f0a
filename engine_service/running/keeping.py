"""Where results go: small ones are JSON text in a row, large ones lines of JSON in a file.

What is large is encoded and written piece by piece in a thread, so that neither the event loop nor
the journal's transactions ever hold it as a whole. A file is complete before the row that names it
is written; a crash in between leaves a file that nobody names, which is collected with its run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from engine_service.encoding import (
    NotJson,
    encode,
    encode_if_small,
    encode_lines,
    encode_list,
    gather_lines,
)
from engine_service.running.attempt import RunFacts
from engine_service.sdk.blob import Blobs, BlobWriter, NoBlobs
from engine_service.sdk.node import Failed, NodeError
from shared.errors import Internal, Unavailable
from shared.workflow import Item

T = TypeVar("T")
_AWAY = "blob_store_away"
_MOST_TEXT = 8 * 1024 * 1024
"""What a called run gives to its caller goes through one row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node may take and give.

    Attributes:
        output_bytes: The largest output, as JSON.
        seconds: The longest try of a node whose settings name no timeout.
        inline_bytes: What is larger is kept as a file, where there is a place for files.
    """

    output_bytes: int = 10 * 1024 * 1024
    seconds: float = 600.0
    inline_bytes: int = 512 * 1024


class BlobSource(Protocol):
    """Where files are; engine_service/blobs/keeper.py is the real one."""

    def of(self, tenant_id: str, run_id: str) -> Blobs:
        """The files of a run."""
        ...

    async def work(self, job: Callable[[], T]) -> T:
        """Run what would hold up the event loop in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """Something as it goes into a row: as JSON text, or as the file that holds it."""

    text: str | None = None
    blob: str | None = None


class Outputs:
    """Keeps and reads what nodes and runs give."""

    def __init__(self, files: BlobSource | None, limits: Limits) -> None:
        self._files = files
        self._most = limits.output_bytes
        self._inline = limits.inline_bytes if files is not None else limits.output_bytes

    async def work(self, job: Callable[[], T]) -> T:
        """Run what would hold up the event loop in a thread."""
        return await (self._files or NoBlobs()).work(job)

    def if_small(self, outputs: Mapping[str, Sequence[Item]]) -> str | None:
        """Outputs as JSON text, unless they are too large for a row.

        Raises:
            NotJson: They hold something that is not JSON.
        """
        return encode_if_small(outputs, self._inline)

    async def keep(
        self, run: RunFacts, node_id: str, outputs: Mapping[str, Sequence[Item]]
    ) -> Kept:
        """Keep outputs that are too large for a row.

        Raises:
            NodeError: They are too large altogether, or not JSON.
            Unavailable: The place for files is away.
        """
        return await self._write(run, f"{node_id}.jsonl", encode_lines(outputs))

    async def keep_whole(self, run: RunFacts, output: Any, *, as_text: bool) -> Kept:
        """Keep what a run gives, as one document.

        Raises:
            NodeError: There is no room for it.
            Unavailable: The place for files is away.
        """
        if as_text:
            text = encode(output)
            if len(text) > _MOST_TEXT:
                raise _too_large(_MOST_TEXT)
            return Kept(text)
        if not isinstance(output, list):
            text = encode(output)
            if self._files is None or len(text) <= self._inline:
                return Kept(text)
            return await self._write(run, "output.json", [text.encode()])
        items = cast("list[Any]", output)
        text = encode_if_small({"": items}, self._inline)
        if text is not None or self._files is None:
            return Kept(encode(items))
        return await self._write(run, "output.json", encode_list(items))

    async def read(self, run: RunFacts, blob_id: str) -> dict[str, list[Item]]:
        """Outputs that were kept in a file.

        Raises:
            Unavailable: The place for files is away.
            Internal: The file is gone.
        """
        blobs = self._blobs(run)
        try:
            file = await blobs.open(blob_id)
            with file:
                return await blobs.work(lambda: gather_lines(file))
        except NodeError as error:
            if error.failure.code == _AWAY:
                raise Unavailable(error.failure.message) from error
            message = "Results of this run that were kept as a file are gone."
            raise Internal(message, reason="OUTPUT_GONE") from error

    def _blobs(self, run: RunFacts) -> Blobs:
        return NoBlobs() if self._files is None else self._files.of(run.tenant_id, run.id)

    async def _write(self, run: RunFacts, name: str, pieces: Iterable[bytes]) -> Kept:
        blobs = self._blobs(run)
        try:
            if self._files is None:
                raise _too_large(self._most)
            async with blobs.create(name, "application/json") as writer:
                await blobs.work(lambda: _fill(writer, pieces, self._most))
        except NodeError as error:
            if error.failure.code == _AWAY:
                raise Unavailable(error.failure.message) from error
            raise
        except NotJson as error:
            raise NodeError(Failed("output_not_json", str(error))) from error
        return Kept(blob=writer.blob.id)


def _fill(writer: BlobWriter, pieces: Iterable[bytes], most: int) -> None:
    for piece in pieces:
        if writer.size + len(piece) > most:
            raise _too_large(most)
        writer.write(piece)


def _too_large(most: int) -> NodeError:
    message = f"The output is larger than {most // 1024} KiB, which are the most."
    return NodeError(Failed("output_too_large", message))

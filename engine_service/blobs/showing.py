"""What runs gave, for those who ask: outputs that are in files are read, unless they are too large.

What is too large stays a file, which its reader can download.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine_service.blobs.keeper import Keeper, RunBlobs
from engine_service.encoding import encode, gather_lines
from engine_service.sdk.blob import Blob, Blobs
from engine_service.sdk.failure import NodeError
from engine_service.store.blobs import find_blob_of_run
from engine_service.store.run_rows import JournalRow, StoredRun
from shared.errors import NotFound
from shared.ids import is_id

_MOST_SHOWN = 8 * 1024 * 1024


class Results:
    """Reads outputs back.

    Args:
        keeper: None where no files are kept.
    """

    def __init__(self, keeper: Keeper | None) -> None:
        self._keeper = keeper

    async def file(self, tenant_id: str, run_id: str, blob_id: str) -> tuple[Blob, RunBlobs]:
        """A file that a run uses, and where its bytes are read.

        Raises:
            NotFound: There is none.
        """
        blob = None
        if self._keeper is not None and is_id("run", run_id) and is_id("blob", blob_id):
            async with self._keeper.database.transaction(tenant_id) as connection:
                blob = await find_blob_of_run(connection, run_id, blob_id)
        if self._keeper is None or blob is None:
            raise NotFound("There is no such file.", reason="FILE_NOT_FOUND")
        return blob, self._keeper.of(tenant_id)

    async def whole(self, run: StoredRun) -> StoredRun:
        """A run with its output, wherever that is."""
        if self._keeper is None or run.output_blob is None or run.output is not None:
            return run
        text = await _text(self._keeper.of(run.tenant_id), run.output_blob, _MOST_SHOWN)
        return run if text is None else replace(run, output=text.decode())

    async def outputs(self, run: StoredRun, journal: Sequence[JournalRow]) -> list[JournalRow]:
        """A run's journal with the outputs of its nodes, the first ones first."""
        left, shown = _MOST_SHOWN, list[JournalRow]()
        for row in journal:
            if self._keeper is None or row.outputs_blob is None:
                shown.append(row)
                continue
            blobs = self._keeper.of(run.tenant_id)
            lines = await _text(blobs, row.outputs_blob, left)
            if lines is None:
                shown.append(row)
                continue
            left -= len(lines)
            split = lines.splitlines()
            text = await blobs.work(lambda lines=split: encode(gather_lines(lines)))
            shown.append(replace(row, outputs=text))
        return shown


async def _text(blobs: Blobs, blob_id: str, most: int) -> bytes | None:
    """The content of a file; None if it is larger than that, or gone."""
    try:
        if (await blobs.find(blob_id)).size > most:
            return None
        return b"".join([piece async for piece in blobs.stream(blob_id)])
    except NodeError:
        return None

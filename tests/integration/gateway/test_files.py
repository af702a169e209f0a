"""A run's files through the gateway: streamed as they come, kept by browsers instead of shown."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2

from shared.errors import NotFound
from shared.ids import new_id
from shared.pb.flowloom.engine.v1.run_service_pb2 import DownloadFileResponse
from tests.support.scripted_mesh import ScriptedMesh

PIECES = [b"a" * 300_000, b"b" * 10]


async def test_a_file_comes_with_its_name_and_bytes(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def answer(request: Any) -> AsyncIterator[DownloadFileResponse]:
        del request
        yield DownloadFileResponse(file_name='ré"x.html', media_type="text/html", size=300_010)
        for piece in PIECES:
            yield DownloadFileResponse(data=piece)

    mesh.on("DownloadFile", answer)
    run_id, blob_id = new_id("run"), new_id("blob")
    got = await ada.get(f"/v1/runs/{run_id}/files/{blob_id}")
    assert got.status_code == 200
    assert got.content == b"".join(PIECES)
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''r%C3%A9%22x.html"
    assert got.headers["content-length"] == "300010"
    assert got.headers["x-content-type-options"] == "nosniff"
    request = mesh.only("DownloadFile").request
    assert (request.run_id, request.blob_id) == (run_id, blob_id)


async def test_a_file_that_is_not_there_is_404(ada: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    mesh.on("DownloadFile", NotFound("There is no such file.", reason="FILE_NOT_FOUND"))
    got = await ada.get(f"/v1/runs/{new_id('run')}/files/{new_id('blob')}")
    assert (got.status_code, got.json()["code"]) == (404, "FILE_NOT_FOUND")

"""`http.request` with files: answers become files, files become bodies, both as they stream."""

import asyncio
import gzip
import re
from pathlib import Path

import pytest

from engine_service.nodes.http_request import HttpRequestNode
from engine_service.sdk.node import Done, Failed, Outcome
from shared.workflow import Item, JsonObject
from tests.support.file_store import FileStore
from tests.support.http_server import Answer, Seen, Server, serve
from tests.support.run_node import Watched, allowing, given, run_action, services

LARGE = bytes(range(256)) * 4096 * 12  # more than an answer may have that is no file


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, most=20_000_000)


async def ask(
    server: Server,
    store: FileStore,
    item: Item | None = None,
    watched: Watched | None = None,
    **parameters: object,
) -> Outcome:
    client = allowing(server.authority)
    what = given(HttpRequestNode, {"url": server.url, **parameters}, [item or {"json": {}}])
    try:
        told = services(http=client, blobs=store, watched=watched)
        return await run_action(HttpRequestNode, what, told)
    finally:
        await client.close()


def file_of(outcome: Outcome, name: str = "data") -> JsonObject:
    assert isinstance(outcome, Done), outcome
    return outcome.outputs["main"][0]["binary"][name]


async def test_an_answer_of_any_size_becomes_a_file(store: FileStore) -> None:
    headers = {
        "content-type": "application/pdf; x=y",
        "content-disposition": "attachment; filename*=UTF-8''r%C3%A9port.pdf",
        "content-encoding": "gzip",
    }
    watched = Watched()
    async with serve(lambda _: Answer(200, headers, gzip.compress(LARGE))) as server:
        outcome = await ask(server, store, watched=watched, response="file")
    file = file_of(outcome)
    assert (file["file_name"], file["media_type"]) == ("réport.pdf", "application/pdf")
    assert file["size"] == len(LARGE)
    assert await store.read(file) == LARGE
    assert [told["file_name"] for told in watched.deltas] == ["réport.pdf"]


async def test_the_item_keeps_its_other_files(store: FileStore) -> None:
    kept = await store.put(b"kept")
    item: Item = {"json": {}, "binary": {"old": kept}}
    async with serve(lambda _: Answer(body=b"new")) as server:
        outcome = await ask(
            server, store, item, url=f"{server.url}/a/x%20y.txt", response="file",
            file_field="new", full_response=True,
        )  # fmt: skip
    assert file_of(outcome, "old") == kept
    assert file_of(outcome, "new")["file_name"] == "x y.txt"
    assert isinstance(outcome, Done)
    assert outcome.outputs["main"][0]["json"]["status"] == 200


async def test_a_failed_try_leaves_no_half_of_a_file(store: FileStore) -> None:
    def answer(seen: Seen) -> Answer:
        if len(server.seen) == 1:
            return Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", close=True)
        if len(server.seen) == 2:
            return Answer(503, {"retry-after": "0"}, b"later")
        return Answer(body=b"the whole")

    async with serve(answer) as server:
        outcome = await ask(server, store, response="file")
    assert await store.read(file_of(outcome)) == b"the whole"
    assert len(server.seen) == 3


async def test_what_is_too_large_is_refused_while_it_comes(store: FileStore) -> None:
    async def endless(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(LARGE)
            await writer.drain()

    async with serve(stream=endless) as server:
        outcome = await ask(server, store, response="file", retries=0)
    assert isinstance(outcome, Failed)
    assert outcome.code == "file_too_large"


async def test_a_file_is_sent_as_it_is_read_and_again_after_a_redirect(store: FileStore) -> None:
    file = await store.put(LARGE, "a.bin", "application/x-a")

    def answer(seen: Seen) -> Answer:
        return Answer(307, {"location": "/there"}) if seen.path == "/" else Answer.of_json({})

    async with serve(answer) as server:
        item: Item = {"json": {}, "binary": {"f": file}}
        outcome = await ask(server, store, item, method="PUT", body_kind="file", body="f")
    assert isinstance(outcome, Done), outcome
    for seen in server.seen:
        assert seen.body == LARGE
        assert seen.headers["content-type"] == "application/x-a"
        assert "transfer-encoding" not in seen.headers


async def test_a_form_carries_files_of_the_item(store: FileStore) -> None:
    file = await store.put(b"content", 'a".txt', "text/plain")
    item: Item = {"json": {}, "binary": {"f": file}}
    body = {"note": "ü", "doc": {"binary": "f"}, "none": None}
    async with serve(lambda _: Answer.of_json({})) as server:
        await ask(server, store, item, method="POST", body_kind="multipart", body=body)
    [seen] = server.seen
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", seen.headers["content-type"])
    assert boundary is not None
    line = f"--{boundary[1]}"
    assert seen.body.decode() == (
        f'{line}\r\ncontent-disposition: form-data; name="note"\r\n\r\nü\r\n'
        f'{line}\r\ncontent-disposition: form-data; name="doc"; filename="a%22.txt"\r\n'
        f"content-type: text/plain\r\n\r\ncontent\r\n{line}--\r\n"
    )


async def test_a_file_that_the_item_has_not_is_missing(store: FileStore) -> None:
    async with serve() as server:
        outcome = await ask(server, store, method="POST", body_kind="file")
    assert isinstance(outcome, Failed)
    assert outcome.code == "file_missing"
    assert server.seen == []

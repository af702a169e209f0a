"""Outputs too large for a row: kept as files, read back after a pause, gone with their store."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from engine_service.blobs.keeper import BlobLimits, Keeper
from engine_service.blobs.objects import Objects
from engine_service.blobs.showing import Results
from engine_service.running.execute import World
from engine_service.running.keeping import Limits
from engine_service.running.worker import WorkerOptions
from engine_service.store.run_rows import read_journal
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole
from shared.errors import NotFound
from shared.ids import new_id
from shared.workflow import JsonObject
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TENANT, NoHttp, TestEngine, running_engine

COUNT = 1_500
LIMITS = Limits(output_bytes=2_000_000, inline_bytes=20_000)
GIVEN = {"list": [{"n": n, "text": "x" * 100} for n in range(COUNT)]}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
async def keeper(engine_url: str, directory: Path) -> AsyncIterator[Keeper]:
    database = Database(engine_url, DatabaseRole.APP, size=2)
    objects = Objects(directory.as_uri())
    keeper = Keeper(database, objects, SystemClock(), BlobLimits(run=3_500_000))
    yield keeper
    await keeper.close()
    await database.close()


@pytest.fixture(scope="module")
async def engine(engine_url: str, keeper: Keeper) -> AsyncIterator[TestEngine]:
    world = World(NoHttp(), None, None, files=keeper)
    options = WorkerOptions(limits=LIMITS)
    async with running_engine(engine_url, world=world, options=options) as engine:
        yield engine


def split_and_ask() -> JsonObject:
    return definition(
        [
            node("split", "data.split", fields=[{"name": "list"}]),
            node("one", "data.limit", max_items=1),
            node("ask", "human.approval", title="Go on?"),
            a_set("count", all="{{ $('Split').all().length }}", n="{{ $('Split').last().json.n }}"),
        ],
        "start > split; split > one; one > ask; ask:approved > count",
    )


async def kept_as(engine: TestEngine, run_id: str, node_id: str) -> tuple[bool, bool]:
    rows = await engine.query(
        "SELECT outputs IS NULL, outputs_blob IS NULL FROM engine.journal"
        " WHERE run_id = :id AND node_id = :node AND kind = 'finished'",
        id=run_id,
        node=node_id,
    )
    return tuple(rows[0])


async def test_large_outputs_are_files_and_small_ones_rows(engine: TestEngine) -> None:
    run = await engine.finish(
        await engine.save(
            definition(
                [
                    node("split", "data.split", fields=[{"name": "list"}]),
                    a_set("s", n="{{ $json.n }}"),
                ],
                "start > split; split > s",
            )
        ),
        GIVEN,
    )
    assert (run.status, run.error, run.output) == ("completed", None, None)
    assert run == await engine.run(run.id)
    assert await kept_as(engine, run.id, "split") == (True, False)


async def test_outputs_are_told_as_if_they_were_rows(engine: TestEngine, keeper: Keeper) -> None:
    run = await engine.finish(
        await engine.save(
            definition(
                [
                    node("split", "data.split", fields=[{"name": "list"}]),
                    a_set("s", n="{{ $json.n }}"),
                ],
                "start > split; split > s",
            )
        ),
        GIVEN,
    )
    results = Results(keeper)
    whole = await results.whole(run)
    assert [one["json"]["n"] for one in orjson.loads(whole.output or "")] == list(range(COUNT))
    async with engine.databases.app.transaction(TENANT) as connection:
        journal = await read_journal(connection, run.id)
    [blob_id] = [row.outputs_blob for row in journal if row.node_id == "split"]
    assert blob_id is not None
    blob, blobs = await results.file(TENANT, run.id, blob_id)
    lines = b"".join([piece async for piece in blobs.stream(blob.id)])
    assert len(lines) == blob.size
    for tenant, run_id in (("ten_other", run.id), (TENANT, new_id("run"))):
        with pytest.raises(NotFound):
            await results.file(tenant, run_id, blob_id)
    shown = {row.node_id: row.outputs for row in await results.outputs(run, journal)}
    assert [one["json"] for one in orjson.loads(shown["split"] or "")["main"]] == GIVEN["list"]


async def test_a_run_that_has_slept_goes_on_with_them(engine: TestEngine) -> None:
    begun = await engine.start(await engine.save(split_and_ask()), GIVEN)
    await engine.until(begun.id, "run.waiting")
    assert await kept_as(engine, begun.id, "split") == (True, False)
    assert await kept_as(engine, begun.id, "one") == (False, True)
    assert await engine.answer(begun.id, "ask", "approve")
    run = await engine.ended(begun.id)
    assert (run.status, run.error) == ("completed", None)
    [item] = orjson.loads(run.output or "")
    assert (item["json"]["all"], item["json"]["n"]) == (COUNT, COUNT - 1)


async def test_a_run_whose_results_are_gone_says_so(engine: TestEngine, directory: Path) -> None:
    begun = await engine.start(await engine.save(split_and_ask()), GIVEN)
    await engine.until(begun.id, "run.waiting")
    shutil.rmtree(directory)
    assert await engine.answer(begun.id, "ask", "approve")
    run = await engine.ended(begun.id)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "output_gone"


@pytest.mark.parametrize(("texts", "code"), [(21, "output_too_large"), (4, "run_files_too_large")])
async def test_what_is_too_large_fails_its_node(engine: TestEngine, texts: int, code: str) -> None:
    workflow = await engine.save(
        definition(
            [a_set("big", x="{{ $json.text }}"), a_set("b", y="{{ $json.x }}"),
             a_set("c", z="{{ $json.x }}")],
            "start > big; big > b; b > c",
        )
    )  # fmt: skip
    run = await engine.finish(workflow, {"text": "x" * 100_000 * texts})
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == code

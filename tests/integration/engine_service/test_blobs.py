"""Files on a real PostgreSQL, in a directory and in a bucket: kept, limited, apart, collected."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.blobs.collecting import Collector
from engine_service.blobs.keeper import BlobLimits, Keeper
from engine_service.blobs.objects import Objects
from engine_service.sdk.node import NodeError
from engine_service.store.blobs import forget_blobs, share_blobs
from shared.clock import ManualClock
from shared.database import Database
from shared.ids import new_id
from tests.support.run_node import NOW
from tests.support.s3_server import Bucket, s3_bucket

DAY = timedelta(days=1)
PIECE = bytes(range(256)) * 1024


@pytest.fixture(scope="module")
async def bucket() -> AsyncIterator[Bucket]:
    async with s3_bucket("files") as bucket:
        yield bucket


@pytest.fixture(params=["directory", "bucket"])
def objects(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Bucket
) -> Objects:
    if request.param == "directory":
        return Objects((tmp_path / "blobs").as_uri())
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return Objects(f"s3://{bucket.name}/below")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def keeper(
    app_database: Database, objects: Objects, clock: ManualClock
) -> AsyncIterator[Keeper]:
    keeper = Keeper(app_database, objects, clock)
    yield keeper
    await keeper.close()


async def write(
    keeper: Keeper, pieces: int = 1, *, tenant: str = "ten_a", run: str = "run_a"
) -> str:
    async with keeper.of(tenant, run).create("a.bin", "application/x-test") as writer:
        for _ in range(pieces):
            await writer.send(PIECE)
    return writer.blob.id


async def read(keeper: Keeper, blob_id: str, *, tenant: str = "ten_a", run: str = "run_a") -> bytes:
    return b"".join([piece async for piece in keeper.of(tenant, run).stream(blob_id)])


async def test_a_file_is_read_as_it_was_written(keeper: Keeper) -> None:
    blobs = keeper.of("ten_a", "run_a")
    async with blobs.create("réport\n.bin", "application/x-test") as writer:
        for _ in range(40):  # more than one part of an upload
            await writer.send(PIECE)
    whole = PIECE * 40
    assert writer.blob.reference() == {
        "id": writer.blob.id,
        "file_name": "réport_.bin",
        "media_type": "application/x-test",
        "size": len(whole),
    }
    assert await blobs.find(writer.blob.id) == writer.blob
    assert writer.blob.sha256 == hashlib.sha256(whole).hexdigest()
    assert await read(keeper, writer.blob.id) == whole
    tail = [piece async for piece in blobs.stream(writer.blob.id, len(whole) - 3)]
    assert b"".join(tail) == whole[-3:]


async def test_a_job_reads_at_any_place_and_writes(keeper: Keeper) -> None:
    blobs = keeper.of("ten_a", "run_a")
    async with blobs.create("a.zip", "application/zip") as writer:

        def pack() -> None:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("one", PIECE)
            writer.write(packed.getvalue())

        await blobs.work(pack)
    file = await blobs.open(writer.blob.id)

    def unpack() -> bytes:
        with file, zipfile.ZipFile(file) as archive:
            return archive.read("one")

    assert await blobs.work(unpack) == PIECE


async def test_another_tenant_finds_nothing(keeper: Keeper) -> None:
    blob_id = await write(keeper)
    for what in (blob_id, "blob_x", "../ten_a/x"):
        with pytest.raises(NodeError) as refused:
            await read(keeper, what, tenant="ten_b")
        assert refused.value.failure.code == "file_not_found"


async def test_what_is_not_finished_is_not_there(
    keeper: Keeper, worker_database: Database, clock: ManualClock
) -> None:
    blobs = keeper.of("ten_a", "run_a")
    begun: list[str] = []

    async def break_off() -> None:
        async with blobs.create("half", "x/x") as writer:
            await writer.send(PIECE)
            begun.append(writer.blob.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    with pytest.raises(NodeError):
        await blobs.find(begun[0])
    clock.advance(DAY + DAY)
    await Collector(worker_database, keeper.objects, clock).collect()
    assert await rows_of(worker_database, begun[0]) == 0


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (BlobLimits(file=len(PIECE)), "file_too_large"),
        (BlobLimits(run=len(PIECE) * 2), "run_files_too_large"),
        (BlobLimits(tenant=len(PIECE) * 2), "file_quota_exceeded"),
    ],
)
async def test_limits_hold_while_bytes_flow(
    app_database: Database, objects: Objects, clock: ManualClock, limits: BlobLimits, code: str
) -> None:
    keeper = Keeper(app_database, objects, clock, limits)
    tenant, run = new_id("ten"), new_id("run")
    await write(keeper, 1, tenant=tenant, run=run)
    with pytest.raises(NodeError) as refused:
        await write(keeper, 2, tenant=tenant, run=run)
    assert refused.value.failure.code == code
    await keeper.close()


async def test_files_go_when_the_last_run_goes_that_uses_them(
    keeper: Keeper, worker_database: Database, clock: ManualClock
) -> None:
    collector = Collector(worker_database, keeper.objects, clock)
    old, new = new_id("run"), new_id("run")
    shared, own = await write(keeper, run=old), await write(keeper, run=old)
    async with worker_database.transaction() as connection:
        await store_runs(connection, old, new)
        await share_blobs(connection, old, new, clock.now())
        await connection.execute(
            text("DELETE FROM engine.blob_uses WHERE run_id = :run AND blob_id = :blob"),
            {"run": new, "blob": own},
        )
    clock.advance(DAY + DAY)
    await collector.collect()
    assert await read(keeper, own, run=old) == PIECE
    async with worker_database.transaction() as connection:
        await forget_blobs(connection, [old])
    await collector.collect()
    assert await read(keeper, shared, run=new) == PIECE
    assert await rows_of(worker_database, own) == 0
    with pytest.raises(FileNotFoundError):
        [piece async for piece in keeper.objects.stream(f"ten_a/{own}")]


async def test_a_file_whose_run_never_began_goes_after_a_day(
    keeper: Keeper, worker_database: Database, clock: ManualClock
) -> None:
    collector = Collector(worker_database, keeper.objects, clock)
    blob_id = await write(keeper, run=new_id("run"))
    await collector.collect()
    assert await read(keeper, blob_id, run="") == PIECE
    clock.advance(DAY + DAY)
    await collector.collect()
    assert await rows_of(worker_database, blob_id) == 0


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="file:// or s3://"):
        Objects("ftp://example.com/x")


async def rows_of(database: Database, blob_id: str) -> int:
    async with database.transaction() as connection:
        found = await connection.execute(
            text("SELECT count(*) FROM engine.blobs WHERE id = :id"), {"id": blob_id}
        )
        return int(found.scalar_one())


async def store_runs(connection: AsyncConnection, *run_ids: str) -> None:
    for run_id in run_ids:
        await connection.execute(
            text(
                "INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger,"
                " trigger_node_id, input, created_at)"
                " VALUES (:id, 'ten_a', 'wf_a', 1, 'live', 'api', 'start', '{}', now())"
            ),
            {"id": run_id},
        )

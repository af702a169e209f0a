"""Waiting until parts are ready."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.embedded.awaiting import Awaited, NotReady, wait_until_ready
from cli.embedded.parts import Part, Program
from cli.embedded.ports import free_port
from cli.embedded.supervisor import StopRequest


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Awaited]:
    """A tiny engine, started and soon ready."""
    port = free_port()
    environment = {"ENGINE_PORT": str(port), "TINY_JOURNAL": str(tmp_path / "journal")}
    program = Program(
        "engine",
        ["-m", "tests.support.tiny_service"],
        lambda: environment,
        tmp_path / "engine.log",
        drain_seconds=5,
    )
    await program.start()
    yield Awaited(program, f"grpc:127.0.0.1:{port}")
    await program.stop(StopRequest().hurry)


async def test_each_part_is_reported_when_it_is_ready(engine: Awaited) -> None:
    reported: list[Part] = []
    await wait_until_ready([engine], reported.append, reported.append)
    assert reported == [engine.part]


@pytest.mark.long
async def test_late_part_is_named_with_its_last_words(engine: Awaited, tmp_path: Path) -> None:
    late = Program("gateway", [], dict, tmp_path / "gateway.log", drain_seconds=5)
    late.log.write_text("still thinking\n")
    reported: list[Part] = []
    awaited = [engine, Awaited(late, f"http://127.0.0.1:{free_port()}/ready")]
    with pytest.raises(NotReady, match="gateway") as failure:
        await wait_until_ready(awaited, reported.append, reported.append, seconds=4)
    assert reported == [engine.part]
    assert "still thinking" in str(failure.value)
    assert "engine" not in str(failure.value)

"""Log files: set aside, read back, followed."""

import asyncio
from pathlib import Path

from cli.embedded.logs import Follower, last_lines, rotate


def test_last_lines_are_those_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("earlier\n")
    rotate(log)
    assert last_lines(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_lines(log, 2) == "line 98\nline 99"
    assert (tmp_path / "engine.log.old").read_text() == "earlier\n"


async def test_follower_hands_over_whole_new_lines(tmp_path: Path) -> None:
    seen: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    old.write_text("before\n")
    follower = Follower(tmp_path, lambda name, line: seen.put_nowait((name, line)))
    async with follower.following():
        append(old, "half")
        append(new, "first\n")
        assert await seen.get() == ("new", "first")
        append(old, " a line\n")
        assert await seen.get() == ("old", "half a line")
        append(new, "last\n")
    assert await seen.get() == ("new", "last")
    assert seen.empty()


async def test_follower_begins_a_rotated_log_anew(tmp_path: Path) -> None:
    seen: list[str] = []
    log = tmp_path / "engine.log"
    log.write_text("a long line of an earlier start\n")
    async with Follower(tmp_path, lambda _, line: seen.append(line)).following():
        rotate(log)
        append(log, "short\n")
    assert seen == ["short"]


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)

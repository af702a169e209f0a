"""Whom root lends PostgreSQL, and where that account gets to."""

import os
from pathlib import Path

import pytest

from cli.embedded.placement import Account

SOMEBODY = Account("somebody", uid=54321, gid=54321)
MYSELF = Account("myself", uid=os.geteuid(), gid=os.getegid())


@pytest.mark.parametrize(("mode", "reached"), [(0o711, True), (0o755, True), (0o700, False)])
def test_strangers_need_the_last_bits(tmp_path: Path, mode: int, reached: bool) -> None:
    tmp_path.chmod(mode)
    assert SOMEBODY.may(tmp_path, os.X_OK) is reached


def test_owner_needs_the_first_bits(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert MYSELF.may(tmp_path, os.R_OK | os.W_OK | os.X_OK)


def test_one_closed_directory_on_the_way_is_enough(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    assert not SOMEBODY.reaches(inner)

"""What `flowloom backup` and `flowloom restore` refuse; that they work is in e2e/test_backup.py."""

from pathlib import Path

import pytest

from cli.backup import backup, restore
from cli.exits import Failure


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a mesh has been."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "state" / "postgres").mkdir(parents=True)
    return tmp_path / "state"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What looks like a backup."""
    folder = tmp_path / "kept"
    (folder / "blobs").mkdir(parents=True)
    for name in ("flowloom.dump", "secrets.json"):
        (folder / name).touch()
    (folder / "backup.json").write_text('{"created_at": "", "version": ""}')
    return folder


def test_there_must_be_a_mesh(state: Path) -> None:
    with pytest.raises(Failure, match="There is no mesh"):
        backup(state.with_name("new"), state.with_name("nowhere"))


def test_a_backup_never_replaces_another(state: Path, kept: Path) -> None:
    with pytest.raises(Failure, match="never replaces another"):
        backup(kept, state)
    assert (kept / "backup.json").exists()


def test_a_mesh_is_never_replaced(state: Path, kept: Path) -> None:
    with pytest.raises(Failure, match="holds a mesh already"):
        restore(kept, state)
    assert not (state / "secrets.json").exists()


def test_what_is_no_backup_is_not_restored(state: Path, kept: Path) -> None:
    with pytest.raises(Failure, match="is no backup"):
        restore(state, state.with_name("new"))
    (kept / "secrets.json").unlink()
    with pytest.raises(Failure, match=r"secrets\.json is missing"):
        restore(kept, state.with_name("new"))


@pytest.mark.usefixtures("state")
def test_a_database_of_ones_own_is_ones_own_to_keep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@host/data")
    with pytest.raises(Failure, match="pg_dump"):
        backup(tmp_path / "new", tmp_path / "state")

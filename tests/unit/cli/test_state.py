"""The state directory: lock, secrets, the note of what runs."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cli.embedded.placement import EmbeddedError
from cli.embedded.processes import ProcessRecord
from cli.embedded.state import SECRETS, AlreadyRunning, MeshRecord, StateDirectory

MESH = MeshRecord(
    state="starting",
    pid=1,
    started_at="2026-01-01T00:00:00+00:00",
    gateway_url="http://127.0.0.1:1",
    agent_address="127.0.0.1:2",
    engine_addresses=("127.0.0.1:3", "127.0.0.1:4"),
    database_url="postgresql://",
    redis_url="redis://",
    logs="logs",
    processes=(ProcessRecord("agent", 5, 6.5),),
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    assert not state.is_held()
    with state.claim():
        assert state.is_held()
        assert state.holder() == os.getpid()
        with (
            pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"),
            StateDirectory(tmp_path / "state").claim(),
        ):
            pytest.fail("two meshes hold one directory")
    assert not state.is_held()
    with state.claim():
        assert state.is_held()


def test_a_file_is_no_state_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    state = StateDirectory(file)
    with pytest.raises(EmbeddedError, match="is a file"), state.claim():
        pytest.fail("a file is held as a directory")
    assert not state.is_held()
    assert state.find_mesh() is None


@pytest.mark.parametrize("content", ["{", "[]", '{"state": "ready"}', '{"processes": 5}'])
def test_a_damaged_note_says_what_to_do(tmp_path: Path, content: str) -> None:
    state = StateDirectory(tmp_path)
    state.mesh_file.write_text(content)
    with pytest.raises(EmbeddedError, match="Remove it"):
        state.find_mesh()


def test_lock_of_a_dead_process_is_stale(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.lock.write_text("4194304\n")
    assert not state.is_held()
    with state.claim():
        assert state.holder() == os.getpid()


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    with state.claim():
        first = state.secrets()
        assert set(first) == set(SECRETS)
        assert len(set(first.values())) == len(SECRETS)
        assert all(len(secret) >= 32 for secret in first.values())
        assert state.secrets() == first
        assert mode(state.secrets_file) == 0o600


def test_secret_that_came_with_a_newer_version_is_added(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.secrets_file.write_text('{"mesh_secret": "kept"}')
    assert state.secrets()["mesh_secret"] == "kept"
    assert set(state.secrets()) == set(SECRETS)


def test_note_of_what_runs_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    assert state.find_mesh() is None
    state.write_mesh(MESH)
    state.write_mesh(replace(MESH, state="ready"))
    assert state.find_mesh() == replace(MESH, state="ready")
    assert mode(state.mesh_file) == 0o600
    state.forget_mesh()
    assert state.find_mesh() is None


def test_damaged_file_is_named(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.mesh_file.write_text("{")
    with pytest.raises(EmbeddedError, match=r"mesh\.json is damaged"):
        state.find_mesh()


def test_others_cannot_look_inside(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    with state.claim():
        assert mode(state.path) & (stat.S_IRGRP | stat.S_IROTH) == 0
        assert mode(state.logs) == 0o700


def test_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EmbeddedError, match="cannot be written"),
        StateDirectory(tmp_path / "file" / "state").claim(),
    ):
        pytest.fail("a file was taken for a directory")

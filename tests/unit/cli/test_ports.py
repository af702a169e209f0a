"""Free, remembered and taken ports."""

import os
import socket
from pathlib import Path

from cli.embedded.ports import describe_listener, free_port, is_free, remembered_port


def test_listener_makes_a_port_taken_and_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert not is_free(port)
        assert f"(process {os.getpid()})" in describe_listener(port)


def test_port_without_a_listener_is_free() -> None:
    assert is_free(free_port())


def test_port_is_remembered_while_it_is_free(tmp_path: Path) -> None:
    note = tmp_path / "port"
    first = remembered_port(note)
    assert remembered_port(note) == first
    with socket.create_server(("127.0.0.1", first)):
        assert remembered_port(note) != first


def test_damaged_note_is_written_anew(tmp_path: Path) -> None:
    note = tmp_path / "port"
    note.write_text("not a port")
    assert remembered_port(note) == int(note.read_text())

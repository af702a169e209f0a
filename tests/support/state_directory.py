"""A state directory for tests in a place that every account may enter, removed afterwards."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def made_open_directory() -> Generator[Path]:
    """Make an empty directory that the account root lends PostgreSQL can reach."""
    directory = Path(tempfile.mkdtemp(prefix="flowloom-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """An empty directory that every account may enter, unlike `tmp_path`."""
    with made_open_directory() as directory:
        yield directory

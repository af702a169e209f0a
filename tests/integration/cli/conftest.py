"""Fixtures of the command line's tests."""

from tests.support.state_directory import open_directory

__all__ = ["open_directory"]

"""Paths into JSON values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_service.values.paths import get_path, parse_path, put_path, remove_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("a['b.c'][\"d\"]", ("a", "b.c", "d")),
        ("0.1", (0, 1)),
        ("01", ("01",)),
        ("a.", ("a.",)),
        ("a[b", ("a[b",)),
        ("", ("",)),
        ("größe.名", ("größe", "名")),
    ],
)
def test_a_path_is_read(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("path", "found", "value"),
    [
        (("a", 0, "b"), True, 1),
        (("a", 1), False, None),
        (("a", "0"), False, None),
        (("n",), True, None),
        (("n", "x"), False, None),
        ((7,), True, "seven"),
    ],
)
def test_what_is_there_is_got(path: tuple[str | int, ...], found: bool, value: Any) -> None:
    assert get_path({"a": [{"b": 1}], "n": None, "7": "seven"}, path) == (found, value)


def test_removing_leaves_shared_parts_alone() -> None:
    shared: dict[str, Any] = {"b": [1, 2], "c": 3}
    target: dict[str, Any] = {"a": shared}
    remove_path(target, ("a", "b", 0))
    remove_path(target, ("a", "nothing"))
    assert target == {"a": {"b": [2], "c": 3}}
    assert shared == {"b": [1, 2], "c": 3}


keys = st.one_of(st.sampled_from("abc"), st.integers(0, 3))


@given(path=st.tuples(keys, keys, keys), other=st.tuples(keys, keys), value=st.integers())
def test_what_was_put_is_got(path: Any, other: Any, value: int) -> None:
    target: dict[str, Any] = {"a": {"b": [1]}, "1": [[0]]}
    put_path(target, other, "x")
    put_path(target, path, value)
    assert get_path(target, path) == (True, value)

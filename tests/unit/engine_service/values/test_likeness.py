"""Values that are alike, and the keys by which they are found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_service.values.likeness import are_alike, likeness_keys

WORDS = st.sampled_from(["", "1", "0", "true", "TRUE", "false", "1.5", "[]", '{"a":1}', "[1]", "x"])
SCALARS = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 1.5, 2]) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner),
    max_leaves=3,
)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1, "1", True),
        (1.0, "1", True),
        (1.5, "1.5", True),
        (True, "TRUE", True),
        (True, 1, True),
        (False, "0", True),
        (False, 1, False),
        (None, "", True),
        (None, [], True),
        (None, 0, False),
        (None, False, False),
        ("TRUE", "true", False),
        ("1", "1.0", False),
        ({"a": 1}, '{"a": 1.0}', True),
        ([1], "[1", False),
        (True, [True], False),
    ],
)
def test_some_values_are_alike(one: Any, other: Any, alike: bool) -> None:
    assert (are_alike(one, other), are_alike(other, one)) == (alike, alike)


@given(VALUES, VALUES)
def test_what_is_alike_shares_a_key(one: Any, other: Any) -> None:
    assert are_alike(one, other) is are_alike(other, one)
    if are_alike(one, other):
        assert set(likeness_keys(one)) & set(likeness_keys(other))

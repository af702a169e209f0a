"""A stencil gives what validating gives, or there is none."""

from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from engine_service.catalogue import builtin
from engine_service.definitions.stencil import stencil_of
from engine_service.expressions import compile_parameters
from engine_service.sdk.node import NodeParameters, NodeType

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
EXAMPLES = [
    pytest.param(node, example, id=f"{node.type}-{place}")
    for node in builtin()
    for place, example in enumerate(node.examples)
    if "{{" in str(example)
]


@pytest.mark.parametrize(("node", "example"), EXAMPLES)
def test_parameters_of_every_example_are_what_validating_makes_of_them(
    node: NodeType[Any], example: dict[str, Any]
) -> None:
    compiled = compile_parameters(example, node.verbatim)
    stencil = stencil_of(node.Parameters, compiled)
    if stencil is None or compiled.is_static:
        return
    values: list[Any] = [None, True, 7, 1.5, "text", "", [1, {"a": None}], {"deep": [{}]}]
    for value in values:
        row = [value] * len(compiled.slots)
        assert stencil.cut(row) == node.Parameters.model_validate(compiled.filled(row))


@given(st.lists(JSON, min_size=3, max_size=3))
def test_whatever_the_values_are_they_stand_where_they_were_asked_for(values: list[Any]) -> None:
    class Part(NodeParameters):
        name: str
        value: Any = None

    class Parts(NodeParameters):
        parts: list[Part] = Field(default_factory=list[Part])
        free: Any = None
        by_name: dict[str, Any] = Field(default_factory=dict[str, Any])

    written = {
        "parts": [{"name": "a", "value": "{{ $json.a }}"}, {"name": "b"}],
        "free": {"inside": ["{{ $json.b }} and {{ $json.c }}"]},
        "by_name": {"x": "{{ $json.c }}"},
    }
    compiled = compile_parameters(written)
    stencil = stencil_of(Parts, compiled)
    assert stencil is not None
    row = [*values, values[2]]
    cut = stencil.cut(row)
    assert cut == Parts.model_validate(compiled.filled(row))
    assert cut.model_fields_set == {"parts", "free", "by_name"}


def test_items_share_nothing_that_one_of_them_fills() -> None:
    class Some(NodeParameters):
        parts: list[Any] = Field(default_factory=list[Any])

    stencil = stencil_of(Some, compile_parameters({"parts": [{"a": "{{ $json.a }}"}, "same"]}))
    assert stencil is not None
    first, second = stencil.cut([1]), stencil.cut([2])
    assert first.model_dump() == {"parts": [{"a": 1}, "same"]}
    assert second.model_dump() == {"parts": [{"a": 2}, "same"]}


def test_there_is_none_where_something_looks_at_the_values() -> None:
    class Typed(NodeParameters):
        count: int

    class Checked(NodeParameters):
        value: Any

        @field_validator("value")
        @classmethod
        def _is_no_list(cls, value: Any) -> Any:
            return value

    class Whole(NodeParameters):
        value: Any

        @model_validator(mode="after")
        def _look(self) -> Self:
            return self

    class Bounded(NodeParameters):
        value: Any = Field(max_length=3)

    for model, written in (
        (Typed, {"count": "{{ $json.n }}"}),
        (Checked, {"value": "{{ $json.n }}"}),
        (Whole, {"value": "{{ $json.n }}"}),
        (Bounded, {"value": "{{ $json.n }}"}),
    ):
        assert stencil_of(model, compile_parameters(written)) is None

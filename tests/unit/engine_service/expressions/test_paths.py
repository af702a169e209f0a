"""Plain paths are read in Python. Whatever V8 would say, they say."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine_service.expressions import (
    Evaluator,
    ExpressionError,
    NodeOutput,
    Scope,
    compile_parameters,
)
from engine_service.expressions.template import expression
from engine_service.expressions.text import number_text, to_text

from .conftest import NOW, scope_with

SAFE = 2**53 - 1
KEYS = st.sampled_from(
    [
        "a", "b", "0", "1", "length", "toString", "a b", "é", "e\u0301", "😀", "json", "map", "10",
        "-1", "00", "1e3", "1.5", "4294967295", "4294967294", "", "名前", "$x", "first", "isEmpty",
    ]
)  # fmt: skip
LIMITS = st.sampled_from(
    [0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, SAFE, -SAFE, 1e21, 1e-7, 123456789.125]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | LIMITS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(["😀x", "\u2028", "\x00", "{{ $json.a }}", "</script>", "a\\b"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ROOTS = st.sampled_from(
    [
        "$json",
        "$input.item.json",
        "$input.first().json",
        "$input.last().json",
        "$input.all()[0].json",
        "$('N').item.json",
        "$('N').first().json",
        "$('N').last().json",
        "$('N').all()[1].json",
        "$node['N'].json",
        "$vars",
        "$binary",
        "$itemIndex",
        "$('N').item",
        "$workflow",
    ]
)
STEPS = st.lists(KEYS, max_size=4)


def path_of(root: str, steps: list[str]) -> str:
    return root + "".join(f"[{json.dumps(step, ensure_ascii=False)}]" for step in steps)


async def both(evaluator: Evaluator, text: str, scope: Scope) -> tuple[Any, Any]:
    """What the fast path says, and what V8 says: by item, a value or the code of an error."""
    fast = compile_parameters(text)
    slow = compile_parameters(text.replace("{{ ", "{{ (0, ").replace(" }}", ") }}"))
    assert slow.try_resolve(scope) is None
    indexes = range(len(scope.items))
    answers = [
        fast.fill([None] * len(fast.slots), scope, indexes),
        await evaluator.resolve_each(slow, scope, indexes),
    ]
    fast_answer, slow_answer = (
        [
            found.code if isinstance(found, ExpressionError) else as_doubles(found)
            for found in answer
        ]
        for answer in answers
    )
    return fast_answer, slow_answer


def as_doubles(value: Any) -> Any:
    """The value with every number as the double it is in JavaScript."""
    if isinstance(value, list):
        return [as_doubles(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: as_doubles(inner) for key, inner in cast("dict[str, Any]", value).items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.lists(VALUES, min_size=2, max_size=2), root=ROOTS, steps=STEPS, texts=st.booleans())
async def test_the_fast_path_and_v8_agree(
    data: list[Any], root: str, steps: list[str], texts: bool, evaluator: Evaluator
) -> None:
    items = [{"json": data[0], "binary": {"a": {"id": "b1"}}}, {"json": data[1]}]
    scope = Scope(
        items=items,
        now=NOW,
        nodes={"N": [{"json": data[1], "paired_item": 0}, {"json": data[0]}]},
        pairs={"N": [1, None]},
        variables={"a": data[0], "length": data[1]},
        workflow={"a": "w"},
    )
    text = f"{{{{ {path_of(root, steps)} }}}}"
    assume(expression(path_of(root, steps)).path is not None)
    fast, slow = await both(evaluator, f"«{text}»" if texts else text, scope)
    assert fast == slow


TEMPLATES = st.lists(
    st.tuples(ROOTS, STEPS) | st.sampled_from(["", "text", "é😀", "}", " }} ", "{", "\\", "0"]),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.lists(VALUES, min_size=2, max_size=2), parts=TEMPLATES, gaps=st.booleans())
async def test_whole_parameters_are_filled_alike(
    data: list[Any], parts: list[Any], gaps: bool, evaluator: Evaluator
) -> None:
    roots = [cast("tuple[str, list[str]]", part) for part in parts if isinstance(part, tuple)]
    paths = [path_of(*root) for root in roots]
    assume(paths and all(expression(path).path is not None for path in paths))
    # A backslash before braces makes them plain text, and then the two texts differ.
    assume(not any(isinstance(part, str) and part.endswith("\\") for part in parts))
    scope = Scope(
        items=[{"json": one} for one in data],
        now=NOW,
        nodes={"N": [{"json": data[1]}, {"json": data[0]}]},
        pairs={"N": [1, 0]},
        variables={"a": data[0]},
    )

    def parameters(wrap: str) -> Any:
        shown = [
            part if isinstance(part, str) else f"{{{{ {wrap % path_of(*part)} }}}}"
            for part in parts
        ]
        lone = {f"k{at}": f"{{{{ {wrap % path} }}}}" for at, path in enumerate(paths)}
        return {"missing": "leave_out" if gaps else "null", "t": "".join(shown), "in": [lone]}

    fast, slow = (compile_parameters(parameters(wrap)) for wrap in ("%s", "(0, %s)"))
    answers = [await evaluator.resolve_each(one, scope, (0, 1)) for one in (fast, slow)]
    found, expected = (
        [one.code if isinstance(one, ExpressionError) else as_doubles(one) for one in answer]
        for answer in answers
    )
    assert found == expected


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-SAFE, SAFE))
def test_a_number_in_a_text_can_be_read_back(number: float) -> None:
    assert float(number_text(number)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e-7, "1e-7"),
        (123456789012345680000.0, "123456789012345680000"),
        ([1, None, "a", [2]], "1,,a,2"),
        ({"b": 1, "1": [None, 2.0]}, '{"1":[null,2],"b":1}'),
        ([{"a": "ü\n"}], '[{"a":"ü\\n"}]'),
    ],
)
def test_a_value_in_a_text_looks_as_in_javascript_and_objects_as_json(
    value: Any, text: str
) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    "source",
    [
        "$json.a.b[0]",
        "$json?.['a b']",
        "$('N').item.json.x",
        "$('N').first().json",
        '$node["N"].json.y',
        "$vars.x",
        "$input.all()",
    ],
)
def test_plain_paths_need_no_v8(source: str) -> None:
    assert expression(source).path is not None


@pytest.mark.parametrize(
    "source",
    [
        "$json.a.trim()",
        "$json[$json.k]",
        "$json.constructor",
        "$('N').first(1).json",
        "$input['all()']",
        "$json.trim.length",
        "$json.a + 1",
        "foo.bar",
        "$json[1.5]",
        "$json[`a${1}`]",
        "$('N')(1)",
    ],
)
def test_everything_else_does(source: str) -> None:
    assert expression(source).path is None


async def test_half_a_character_is_replaced(evaluate: Callable[..., Awaitable[Any]]) -> None:
    scope = scope_with({"s": "😀!"})
    assert compile_parameters("{{ $json.s[0] }}{{ $json.s[2] }}").try_resolve(scope) == ["\ufffd!"]
    assert await evaluate("[$json.s[0], $json.s]", scope) == ["\ufffd", "😀!"]


def test_integers_of_any_size_go_through_a_path_unharmed() -> None:
    scope = scope_with({"id": 2**70})
    assert compile_parameters({"id": "{{ $json.id }}"}).try_resolve(scope) == [{"id": 2**70}]


async def test_integers_of_any_size_reach_v8_as_numbers(
    evaluate: Callable[..., Awaitable[Any]],
) -> None:
    assert await evaluate("$json.id", scope_with({"id": 2**70})) == float(2**70)


def test_a_node_that_has_not_run_is_an_error_with_its_place() -> None:
    compiled = compile_parameters({"a": ["{{ $('Nowhere').first().json.x }}"]})
    with pytest.raises(ExpressionError, match="Nowhere") as caught:
        compiled.try_resolve(scope_with({}))
    assert (caught.value.code, caught.value.pointer) == ("NODE_NOT_EXECUTED", "/a/0")


def test_runs_and_ports_of_a_node_can_be_chosen() -> None:
    output = NodeOutput([[[{"json": {"n": 1}}]], [[{"json": {"n": 2}}], [{"json": {"n": 3}}]]])
    scope = scope_with({}, nodes={"N": output})
    assert compile_parameters("{{ $('N').first().json.n }}").try_resolve(scope) == [2]

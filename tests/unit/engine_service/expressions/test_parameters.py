"""Whole parameters: what is static costs nothing, the rest is filled for each item."""

from typing import Any

import pytest

from engine_service.expressions import Evaluator, ExpressionError, Scope, compile_parameters

from .conftest import NOW, scope_with


def scope_of(*jsons: Any) -> Scope:
    return Scope(items=[{"json": json} for json in jsons], now=NOW, zone="UTC")


def test_static_parameters_come_back_as_they_are() -> None:
    parameters = {"a": [1, {"b": "text"}]}
    compiled = compile_parameters(parameters)
    assert compiled.is_static
    assert compiled.try_resolve(scope_of({}, {})) == [parameters]


def test_equal_parameters_are_compiled_once() -> None:
    first = compile_parameters({"a": "{{ $json.x }}", "b": 1})
    assert compile_parameters({"a": "{{ $json.x }}", "b": 1}) is first
    assert compile_parameters({"a": "{{ $json.x }}", "b": 2}) is not first


def test_a_lone_expression_keeps_the_type_and_text_does_not() -> None:
    compiled = compile_parameters({"n": "{{ $json.n }}", "t": "n={{ $json.n }}", "s": ["x"]})
    assert compiled.try_resolve(scope_of({"n": 1}, {"n": [2]})) == [
        {"n": 1, "t": "n=1", "s": ["x"]},
        {"n": [2], "t": "n=2", "s": ["x"]},
    ]


def test_what_does_not_depend_on_the_item_is_filled_once() -> None:
    compiled = compile_parameters({"a": "{{ $vars.x }}"})
    scope = Scope(items=scope_of(1, 2, 3).items, now=NOW, variables={"x": 7})
    assert compiled.try_resolve(scope) == [{"a": 7}]


def test_without_items_there_is_nothing_to_fill_unless_asked() -> None:
    compiled = compile_parameters("{{ $json.a }}")
    empty = Scope(items=[], now=NOW)
    assert compiled.try_resolve(empty) == []
    with pytest.raises(ExpressionError, match="no input item"):
        compiled.try_resolve(empty, [0])


def test_an_escaped_brace_is_text() -> None:
    assert compile_parameters(r"\{{ name }}").try_resolve(scope_of({})) == ["{{ name }}"]


async def test_everything_is_filled_in_one_go(evaluator: Evaluator) -> None:
    compiled = compile_parameters(
        {
            "sum": "{{ $json.a + $json.b }}",
            "plain": "{{ $json.a }}",
            "all": "{{ $input.all().length }}",
        }
    )
    scope = scope_of({"a": 1, "b": 2}, {"a": 3, "b": 4})
    assert compiled.try_resolve(scope) is None
    assert await evaluator.resolve(compiled, scope) == [
        {"sum": 3, "plain": 1, "all": 2},
        {"sum": 7, "plain": 3, "all": 2},
    ]


@pytest.mark.parametrize("form", ["{{ $json.x.y }}", "{{ (0, $json.x.y) }}"])
async def test_what_is_not_there_can_be_told_from_null(form: str, evaluator: Evaluator) -> None:
    parameters = {"missing": "leave_out", "rows": [{"v": form, "t": f"<{form}>"}], "all": [form]}
    scope = scope_of({"x": {"y": 1}}, {"x": {"y": None}}, {"x": {}}, {}, {"x": {"y": "z"}})
    found = await evaluator.resolve(compile_parameters(parameters), scope)
    assert [each["rows"] for each in found] == [
        [{"v": 1, "t": "<1>"}],
        [{"v": None, "t": "<>"}],
        [{"t": "<>"}],
        [{"t": "<>"}],
        [{"v": "z", "t": "<z>"}],
    ]
    assert [each["all"] for each in found] == [[1], [None], [None], [None], ["z"]]
    usual = await evaluator.resolve(compile_parameters({**parameters, "missing": "null"}), scope)
    assert usual[2]["rows"] == [{"v": None, "t": "<>"}]


async def test_what_a_list_holds_not_is_not_there_either(evaluator: Evaluator) -> None:
    parameters = {"missing": "leave_out", "a": "{{ $json.l[1] }}", "b": "{{ $json.l[2] }}"}
    compiled = compile_parameters(parameters)
    assert await evaluator.resolve(compiled, scope_of({"l": [1, None]})) == [
        {"missing": "leave_out", "a": None}
    ]


async def test_an_item_that_fails_leaves_the_others_alone(evaluator: Evaluator) -> None:
    compiled = compile_parameters({"x": {"y": "{{ $json.t.toUpperCase().parseJson() }}"}})
    found = await evaluator.resolve_each(compiled, scope_of({"t": "[1]"}, {"t": "{"}, {"t": "2"}))
    failure = found[1]
    assert (found[0], found[2]) == ({"x": {"y": [1]}}, {"x": {"y": 2}})
    assert isinstance(failure, ExpressionError)
    assert (failure.pointer, failure.item_index) == ("/x/y", 1)
    assert failure.expression == "$json.t.toUpperCase().parseJson()"


async def test_one_expression_cannot_change_what_the_next_one_sees(evaluator: Evaluator) -> None:
    compiled = compile_parameters(
        [
            "{{ $json.l.sort()[0] }}",
            "{{ $json.l.map(x => x) }}",
            "{{ ($json.z = 9, $json.z) }}",
            "{{ $json }}",
        ]
    )
    given = {"l": [3, 1, 2]}
    assert await evaluator.resolve(compiled, scope_of(given)) == [[1, [3, 1, 2], 9, given]]


async def test_a_malformed_expression_is_told_with_its_parameter(evaluator: Evaluator) -> None:
    compiled = compile_parameters({"a": "ok", "b": "{{ 1 + }}"})
    with pytest.raises(ExpressionError) as caught:
        await evaluator.resolve(compiled, scope_with({}))
    assert (caught.value.code, caught.value.pointer) == ("EXPRESSION_SYNTAX", "/b")


async def test_what_only_v8_finds_malformed_is_told_too(evaluator: Evaluator) -> None:
    compiled = compile_parameters("{{ (() => { let a; let a; })() }}")
    with pytest.raises(ExpressionError, match="already been declared"):
        await evaluator.resolve(compiled, scope_with({}))

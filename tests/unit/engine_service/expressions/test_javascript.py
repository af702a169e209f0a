"""How a source is rewritten, and what is refused before it ever runs."""

import pytest

from engine_service.expressions.javascript import write_code, write_expression
from engine_service.expressions.parameters import compile_parameters
from engine_service.expressions.syntax import parse_expression
from engine_service.expressions.template import expression


def written(source: str) -> str:
    return write_expression(parse_expression(source), source)[0]


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("[1].sum()", "return ([1][__x.sum]()\n);"),
        ("a?.first()", 'return (__s.extra("a")?.[__x.first]()\n);'),
        ("$json.a.isEmpty()", "const {$json} = __s; return (__n($json.a)[__x.isEmpty]()\n);"),
        ("[1][k]", 'return ([1][__k((__s.extra("k")))]\n);'),
        ("x => x[this]", "return (x => x[__k((__t(this)))]\n);"),
        ("({fetch})", "return (({fetch: __s.inert})\n);"),
        ("1; 2", "{1; return 2\n}"),
        ("typeof foo", 'return (typeof __s.extra("foo")\n);'),
        ("'é'.toSnakeCase()", "return ('é'[__x.toSnakeCase]()\n);"),
    ],
)
def test_a_source_is_rewritten(source: str, body: str) -> None:
    assert written(source) == body


@pytest.mark.parametrize(
    "source",
    [
        "({}).__proto__",
        "({})['constructor']",
        "x => { const {prototype: p} = x }",
        "({ ['a']: 1, constructor: 2 })",
        "__s",
        "((___hidden) => 1)(2)",
        "with (Math) { 1 }",
        "(async () => 1)()",
        "import('fs')",
        "$ || 1",
        "arguments",
        "\\u0063onstructor",
        "$json.\\u0063onstructor",
    ],
)
def test_what_no_expression_needs_is_refused(source: str) -> None:
    problem = expression(source).problem
    assert problem is not None
    assert problem.code in ("EXPRESSION_FORBIDDEN", "EXPRESSION_SYNTAX")


def test_a_field_may_begin_with_underscores() -> None:
    assert expression("$json.__typename").problem is None


@pytest.mark.parametrize(
    ("source", "per_item"),
    [
        ("$json.a", True),
        ("$('A').item.json.x", True),
        ("$('A').first().json.x", False),
        ("$input.all().length", False),
        ("$input.item.json.x", True),
        ("$node['A'].json.x", True),
        ("$now.toISO()", False),
        ("$input.all().map(item => item.json.x)", False),
        ("Math.random()", True),
        ("$vars.x + $env.Y", False),
    ],
)
def test_what_differs_by_item_is_known(source: str, per_item: bool) -> None:
    assert compile_parameters({"p": f"{{{{ {source} }}}}"}).per_item is per_item


def test_what_may_change_its_data_is_known() -> None:
    assert expression("$json.list.sort()").facts.changes_data
    assert expression("$json.a = 1").facts.changes_data
    assert not expression("$json.list.map(x => x)").facts.changes_data


def test_code_keeps_its_lines_and_gets_the_helpers() -> None:
    body, facts = write_code("const x = 1\nreturn items.first().json.list.sum()")
    assert body == (
        "const {items} = __s; return await (async () => {const x = 1\n"
        "return items[__x.first]().json.list[__x.sum]()\n})();"
    )
    assert facts.names == {"items"}

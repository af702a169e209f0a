"""Texts with expressions in them: where an expression begins and ends, and what it mentions."""

import pytest

from engine_service.expressions import Expression, find_expressions, json_paths, parse, references


def shape(text: str) -> list[str | tuple[str]]:
    """Literal parts as texts, expressions as one-tuples of their source."""
    return [(part.source,) if isinstance(part, Expression) else part for part in parse(text).parts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("{{ $json.a }}", [("$json.a",)]),
        ("a {{ 1 }}{{ 2 }} b", ["a ", ("1",), ("2",), " b"]),
        ("{{ {a: {b: 1}} }}", [("{a: {b: 1}}",)]),
        ("{{{a:{b:1}}}}", [("{a:{b:1}}",)]),
        ('{{ "}}" }}!', [('"}}"',), "!"]),
        ("{{ `${ {a:1}.a }` }}", [("`${ {a:1}.a }`",)]),
        (r"\{{ 1 }} {{ 2 }}", ["{{ 1 }} ", ("2",)]),
        ("{{ 1 // }}\n}}", [("1 //",), "\n}}"]),
    ],
)
def test_a_text_is_split_where_its_expressions_are_whole(
    text: str, expected: list[str | tuple[str]]
) -> None:
    assert shape(text) == expected


@pytest.mark.parametrize(
    ("source", "position", "message"),
    [
        ("", 0, "The expression is empty"),
        ("[1, 2", 0, "'[' is not closed"),
        ("$json.a + foo(1, [2]", 13, "'(' is not closed"),
        ("a b", 2, "Unexpected 'b'"),
        ("1) + (2", 5, "'(' is not closed"),
    ],
)
def test_a_malformed_expression_says_where(source: str, position: int, message: str) -> None:
    problem = parse(f"{{{{ {source} }}}}").expressions[0].problem
    assert problem is not None
    assert (problem.code, problem.position, problem.message) == (
        "EXPRESSION_SYNTAX",
        position,
        message,
    )


def test_an_expression_that_is_never_closed_is_malformed() -> None:
    problem = parse("Hello {{ $json.name").expressions[0].problem
    assert problem is not None
    assert "}}" in problem.message


def test_one_malformed_expression_leaves_its_neighbours_alone() -> None:
    first, second = parse("{{ bad( }} and {{ 1 }}").expressions
    assert first.problem is not None
    assert second.problem is None


def test_expressions_are_found_with_their_pointers_in_order() -> None:
    parameters = {"url": "https://x/{{ $json.id }}", "a/b": ["-", {"c": "{{1}}{{2}}"}], "n": 3}
    assert find_expressions(parameters) == [
        ("/url", "$json.id"),
        ("/a~1b/1/c", "1"),
        ("/a~1b/1/c", "2"),
    ]


@pytest.mark.parametrize(
    ("source", "nodes"),
    [
        ("$('Fetch orders').item.json.id + $(\"B\").all().length", {"Fetch orders", "B"}),
        ("$node['A'].json.x ?? $node.C.json.y", {"A", "C"}),
        ("$items(`D`)[0]", {"D"}),
        ("$(`It's ${1}`)", set[str]()),
        ("$('It\\'s')", {"It's"}),
        ("$json['$(\"no\")']", set[str]()),
    ],
)
def test_the_nodes_an_expression_mentions(source: str, nodes: set[str]) -> None:
    assert references(source) == nodes


def test_the_paths_an_expression_reads() -> None:
    source = "$json.user?.name.trim() + $json['a b'][0] + $json.list.map(x => x.y).length"
    assert json_paths(source) == {("user", "name"), ("a b", "0"), ("list",)}


def test_reading_never_fails_on_rubbish() -> None:
    for rubbish in ("{{" * 2_000, "{{ " + "(" * 9_000 + " }}", "{{ " + "'" * 999 + " }}", "}} {{"):
        assert all(found.problem for found in parse(rubbish).expressions)

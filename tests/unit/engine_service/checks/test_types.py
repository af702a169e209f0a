"""What is said of expressions before a run: fields that nobody makes, values of the wrong kind."""

from itertools import pairwise
from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from engine_service.definitions.checks.shapes import shapes_of
from engine_service.definitions.validate import validate
from engine_service.expressions.kinds import Guess, guess
from shared.workflow import JsonObject, Workflow

FORM = {"fields": [{"name": "city"}, {"name": "days", "type": "number"}]}
CHAIN = "start > a > b"


def laid_out(
    wires: str = CHAIN, *, start: JsonObject | None = None, **nodes: tuple[str, JsonObject]
) -> Workflow:
    ids = [name.strip() for name in wires.split(">")]
    known = {"start": ("trigger.manual", FORM if start is None else start), **nodes}
    return Workflow.model_validate(
        {
            "nodes": [
                {"id": name, "name": name.upper(), "type": kind, "parameters": parameters}
                for name, (kind, parameters) in known.items()
            ],
            "connections": [{"from": source, "to": target} for source, target in pairwise(ids)],
        }
    )


def found(workflow: Workflow) -> list[Diagnostic]:
    return [
        one for one in validate(workflow, builtin()) if one.code in ("unknown_field", "wrong_type")
    ]


def setting(*values: Any, **more: Any) -> tuple[str, JsonObject]:
    rows = [{"name": f"f{at}", "value": value} for at, value in enumerate(values)]
    return "data.set", {"assignments": rows, **more}


@pytest.mark.parametrize(
    ("expression", "message", "suggestion"),
    [
        ("{{ $json.citty }}", "The items that come here have no field 'citty'.",
         "Did you mean 'city'?"),
        ("<{{ $input.item.json.zz }}>", "The items that come here have no field 'zz'.",
         "They have: city, days."),
        ("{{ $('START').item.json.cit }}", "The items of 'START' have no field 'cit'.",
         "Did you mean 'city'?"),
        ("{{ $node['START'].json.dais }}", "The items of 'START' have no field 'dais'.",
         "Did you mean 'days'?"),
        ("{{ $json.Days + 1 }}", "The items that come here have no field 'Days'.",
         "Did you mean 'days'?"),
    ],
)  # fmt: skip
def test_a_field_that_nobody_makes_is_told(expression: str, message: str, suggestion: str) -> None:
    (one,) = found(laid_out("start > a", a=setting(1, expression)))
    assert (one.pointer, one.code) == ("/nodes/1/parameters/assignments/1/value", "unknown_field")
    assert (one.message, one.suggestion) == (message, suggestion)
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize(
    "expression",
    [
        "{{ $json.city.length }}",
        "{{ $json.none ?? 'usual' }}",
        "{{ $json.none?.x }}",
        "{{ $json.keys().length }}",
        "{{ $('START').first().json.days }}",
        "{{ $json }}",
        "{{ $json.hasField('x') }}",
    ],
)
def test_what_is_there_or_guarded_is_left_alone(expression: str) -> None:
    assert found(laid_out("start > a", a=setting(expression))) == []


SHAPES: list[tuple[tuple[str, JsonObject], JsonObject]] = [
        (setting("x", 1, [1]), {"f0": "string", "f1": "number", "f2": "array"}),
        (setting("{{ $json.city }}"), {"f0": "any"}),
        (setting("x", include="all"), {"city": "string", "days": "number", "f0": "string"}),
        (("data.set", {"include": "selected", "fields": ["days"]}), {"days": "number"}),
        (("data.set", {"include": "except", "fields": ["days"]}), {"city": "string"}),
        (("data.set", {"assignments": [{"name": "a.b", "value": 1}]}), {"a": "any"}),
        (("data.set", {"mode": "json", "json": {"ok": True, "t": "{{ 1 }}"}}),
         {"ok": "boolean", "t": "any"}),
        (("data.limit", {}), {"city": "string", "days": "number"}),
        (("data.datetime", {"date": "2026", "to": "d", "include": "all"}),
         {"city": "string", "days": "number", "d": "string"}),
        (("data.datetime", {"operation": "extract", "date": "2026"}), {"datePart": "number"}),
        (("data.summarize", {"summaries": [{"field": "days", "kind": "sum"}, {"field": "city"}],
                             "group_by": ["city"]}),
         {"sum_days": "number", "count_city": "number", "city": "string"}),
        (("data.aggregate", {"mode": "fields", "fields": [{"name": "days"}]}), {"days": "array"}),
        (("flow.merge", {}), {"city": "string", "days": "number"}),
    ]  # fmt: skip


@pytest.mark.parametrize(("first", "fields"), SHAPES)
def test_shapes_are_followed(first: tuple[str, JsonObject], fields: JsonObject) -> None:
    subject = Subject(laid_out("start > a", a=first), builtin())
    made = shapes_of(subject).made[1]
    assert (made.fields, made.is_open) == (fields, False)


def test_what_code_gives_and_what_goes_in_circles_is_unknown() -> None:
    code = ("code.javascript", {"code": "return []"})
    assert found(laid_out(a=code, b=setting("{{ $json.x }}"))) == []
    circle = laid_out("start > a > b > a", a=setting("{{ $json.x }}"), b=setting(1))
    assert found(circle) == []


def test_items_of_two_ways_may_have_the_fields_of_either() -> None:
    workflow = laid_out("start > a > c", a=setting(1), b=setting("x"), c=setting("{{ $json.f0 }}"))
    edges = [*workflow.model_dump(by_alias=True)["connections"],
             {"from": "start", "to": "b"}, {"from": "b", "to": "c"}]  # fmt: skip
    joined = Workflow.model_validate({**workflow.model_dump(by_alias=True), "connections": edges})
    assert found(joined) == []
    shape = shapes_of(Subject(joined, builtin())).given[3]
    assert (shape.fields, shape.is_open) == ({"f0": "any"}, False)


@pytest.mark.parametrize(
    ("kind", "parameters", "at", "severity"),
    [
        ("data.limit", {"max_items": "{{ ({ a: 1 }) }}"}, "/max_items", Severity.ERROR),
        ("data.limit", {"max_items": "{{ $json.tags }}"}, "/max_items", Severity.WARNING),
        ("data.split", {"fields": "{{ $json.a > 1 }}"}, "/fields", Severity.ERROR),
        ("data.split", {"fields": "x{{ $json.a }}"}, "/fields", Severity.ERROR),
        ("flow.stop", {"message": "{{ [1, 2] }}"}, "/message", Severity.ERROR),
        ("flow.stop", {"message": "{{ $json.tags.map(x => x) }}"}, "/message", Severity.WARNING),
        ("http.request", {"url": "{{ ({}) }}"}, "/url", Severity.ERROR),
    ],
)
def test_a_value_of_the_wrong_kind_is_told(
    kind: str, parameters: JsonObject, at: str, severity: Severity
) -> None:
    start = {"fields": [{"name": "tags", "type": "array"}, {"name": "a"}]}
    (one,) = found(laid_out("start > a", start=start, a=(kind, parameters)))
    assert (one.pointer, one.code) == (f"/nodes/1/parameters{at}", "wrong_type")
    assert one.severity is severity
    assert one.message.startswith("This gives ")


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("data.limit", {"max_items": "{{ $json.days }}"}),
        ("data.limit", {"max_items": "{{ '5' }}"}),
        ("data.limit", {"max_items": "{{ $json.city }}"}),
        ("flow.stop", {"message": "{{ $json.city + '!' }}"}),
        ("data.set", {"assignments": [{"name": "x", "value": "{{ ({}) }}"}]}),
        ("http.request", {"url": "https://x.test/{{ $json.days }}", "body": "{{ [1] }}"}),
    ],
)
def test_what_can_be_right_is_left_alone(kind: str, parameters: JsonObject) -> None:
    assert found(laid_out("start > a", a=(kind, parameters))) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'a'", Guess("string")),
        ("`a${1}`", Guess("string")),
        ("1 + 2", Guess("number")),
        ("1 + $json.x", None),
        ("'n: ' + $json.x", Guess("string")),
        ("$json.a * 2", Guess("number")),
        ("!($json.a)", Guess("boolean")),
        ("$json.a === 1 || $json.b", None),
        ("$json.a ? [1] : [2]", Guess("array")),
        ("$json.a ? [1] : 2", None),
        ("({ a: 1 })", Guess("object")),
        ("$if($json.a, 'x', 'y')", Guess("string")),
        ("$json.tags.map(x => x)", Guess("array", certain=False)),
        ("$json.a.toUpperCase()", Guess("string", certain=False)),
        ("JSON.stringify($json)", Guess("string", certain=False)),
        ("$json.a.length", Guess("number", certain=False)),
        ("$now", Guess("string", certain=False)),
        ("typeof $json.a", Guess("string")),
        ("(", None),
        ("let a = 1; a", None),
    ],
)
def test_kinds_show_in_the_source(source: str, expected: Guess | None) -> None:
    assert guess(source) == expected

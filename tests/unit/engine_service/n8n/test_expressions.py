"""Values as n8n writes them, in our words."""

from typing import Any

import pytest

from engine_service.expressions import parse
from engine_service.n8n.expressions import is_expression, rename, translate, troubles
from engine_service.n8n.fields import CannotMap, Fields


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("={{ $json.a }}", "{{ $json.a }}"),
        ("=Hello {{ $json.a }}", "Hello {{ $json.a }}"),
        ("=plain", "plain"),
        ("plain", "plain"),
        ("{{ not computed }}", "\\{{ not computed }}"),
        ('={{ $item("0").$node["A"].json.x }}', '{{ $item("0").$node["A"].json.x }}'),
        (["=a", {"b": "={{ 1 }}"}, 2, None], ["a", {"b": "{{ 1 }}"}, 2, None]),
    ],
)
def test_only_what_begins_with_a_sign_is_computed(written: Any, ours: Any) -> None:
    assert translate(written) == ours


def test_braces_that_are_only_text_stay_text() -> None:
    assert parse(translate("{{ a }}")).parts == ("{{ a }}",)


def test_a_text_without_braces_is_no_expression() -> None:
    assert [is_expression(text) for text in ("={{ 1 }}", "=1", "{{ 1 }}", 1)] == [
        True, False, False, False,
    ]  # fmt: skip


def test_references_follow_a_node_that_is_called_otherwise_now() -> None:
    before = """{{ $('Old').item.json.a + $node["Old"].json.b + $('Other').all() + "Old" }}"""
    after = """{{ $('New').item.json.a + $node["New"].json.b + $('Other').all() + "Old" }}"""
    assert rename({"a": [before]}, {"Old": "New"}) == {"a": [after]}


def test_troubles_are_named_once() -> None:
    found = list(troubles({"a": "{{ $pages.x + $pages.y }}", "b": "{{ 1 + }}"}, ()))
    assert found[0] == "Expressions know no '$pages' here."
    assert found[1].startswith("The expression '1 +' cannot be read")
    (refused,) = troubles({"a": "{{ $secrets.x }}"}, ())
    assert "give the node a credential" in refused
    said = [*troubles({"a": "{{ $execution.resumeUrl + $('A').params.x + $execution.id }}"}, ())]
    assert [one.split()[0] for one in said] == ["$('A').params", "$execution.resumeUrl"]
    assert list(troubles({"code": "{{ $secrets }}"}, ("code",))) == []


# --- reading parameters


def test_what_was_not_taken_is_known() -> None:
    fields = Fields({"a": 1, "b": {"c": 2, "d": [{"e": 3}, {"f": 4}], "empty": ""}, "g": False})
    fields.take("a")
    inner = fields.section("b")
    inner.rows("d")[0].take("e")
    assert list(fields.unread()) == ["b.c", "b.d.f"]


def test_what_must_be_fixed_may_be_no_expression() -> None:
    fields = Fields({"mode": "={{ $json.mode }}", "size": "many"})
    for read in (
        lambda: fields.fixed("mode"),
        lambda: fields.flag("mode"),
        lambda: fields.number("size", 1),
        lambda: fields.choice("size", {"few": 1}, "few"),
    ):
        with pytest.raises(CannotMap):
            read()


def test_a_resource_locator_gives_its_value() -> None:
    fields = Fields({"id": {"__rl": True, "mode": "id", "value": "={{ $json.id }}"}, "raw": "x"})
    assert (fields.located("id"), fields.located("raw"), fields.located("none", 1)) == (
        "{{ $json.id }}", "x", 1,
    )  # fmt: skip

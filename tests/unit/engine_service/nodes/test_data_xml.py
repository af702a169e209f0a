"""`data.xml`: reading, writing, and documents that mean harm."""

from typing import Any

import pytest

from engine_service.nodes.data_xml import DataXml
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def read(text: Any, **more: object) -> JsonObject:
    return jsons(run_pure(DataXml, given(DataXml, more, items({"data": text}))))[0]


def written(fields: JsonObject, **more: object) -> str:
    what = given(DataXml, {"mode": "write", "header": False, **more}, items(fields))
    return jsons(run_pure(DataXml, what))[0]["data"]


def failure(fields: JsonObject, **more: object) -> str:
    outcome = run_pure(DataXml, given(DataXml, more, items(fields)))
    assert isinstance(outcome, Done)
    assert len(outcome.failures) == 1
    return outcome.failures[0].code


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("<a><b>1</b><b>2</b></a>", {}, {"a": {"b": ["1", "2"]}}),
        ("<a><b/><c> </c></a>", {}, {"a": {"b": "", "c": " "}}),
        ('<a x="1">t<b y="2"/></a>', {}, {"a": {"x": "1", "b": {"y": "2"}, "_": "t"}}),
        ('<a x="1"><x>2</x></a>', {}, {"a": {"x": ["1", "2"]}}),
        ('<a x="1">t</a>', {"merge_attributes": False, "attributes_field": "@", "text_field": "#"},
         {"a": {"@": {"x": "1"}, "#": "t"}}),
        ('<a x="1">t</a>', {"ignore_attributes": True}, {"a": "t"}),
        ("<a><b>1</b></a>", {"always_lists": True}, {"a": {"b": ["1"]}}),
        ("<a><b>1</b></a>", {"include_root": False}, {"b": "1"}),
        ("<a>1</a>", {"include_root": False}, {"_": "1"}),
        ("<A><Bc>  1   2 </Bc></A>", {"lower_names": True, "collapse_spaces": True},
         {"a": {"bc": "1 2"}}),
        ("<a> 1   2 </a>", {"trim": True}, {"a": "1   2"}),
        ("<n:a xmlns:n='u'><n:b>1</n:b></n:a>", {}, {"n:a": {"xmlns:n": "u", "n:b": "1"}}),
        ("<a><![CDATA[<b> & ]]>&lt;&eacute;&#33;</a>", {}, {"a": "<b> & <é!"}),
        ("\ufeff\n<?xml version='1.0' encoding='latin-1'?><!-- c --><a>é</a>", {}, {"a": "é"}),
    ],
)  # fmt: skip
def test_elements_become_fields(text: str, options: JsonObject, expected: JsonObject) -> None:
    assert read(text, **options) == expected


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        ({"a": {"b": [1, True, None]}}, {}, "<a>\n  <b>1</b>\n  <b>true</b>\n  <b/>\n</a>"),
        ({"a": 1, "b": "x"}, {}, "<root>\n  <a>1</a>\n  <b>x</b>\n</root>"),
        ({"a": 1}, {"root": "r"}, "<r>\n  <a>1</a>\n</r>"),
        ({"a": {"$": {"x": 'q"<'}, "_": "t & u"}}, {}, '<a x="q&quot;&lt;">t &amp; u</a>'),
        ({"a": "<b> & ]]>"}, {"cdata": True}, "<a><![CDATA[<b> & ]]]]><![CDATA[>]]></a>"),
    ],
)
def test_fields_become_elements(fields: JsonObject, options: JsonObject, expected: str) -> None:
    assert written(fields, **options) == expected


def test_what_was_written_can_be_read() -> None:
    fields: JsonObject = {"a": {"b": [{"c": "1 < 2"}, {"c": "x\ny"}], "d": "é"}}
    assert read(written(fields)) == fields


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://localhost/x"> %b;]><a/>',
        "<a>&unheard;</a>",
        "<a>" * 10_000,
        "<a><b></a>",
        "a",
        "",
        None,
        {"x": 1},
    ],
    ids=str,
)
def test_harmful_and_malformed_documents_fail_their_item(text: Any) -> None:
    assert failure({"data": text}) == "bad_xml"


def test_a_document_type_from_outside_is_not_loaded() -> None:
    assert read('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>1</a>') == {"a": "1"}


@pytest.mark.parametrize("fields", [{"a b": 1}, {"": 1}, {"a": "\x00"}, {"a": {"$": {"1": "x"}}}])
def test_what_xml_cannot_say_fails_its_item(fields: JsonObject) -> None:
    assert failure(fields, mode="write") == "not_xml"

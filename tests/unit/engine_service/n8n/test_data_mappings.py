"""n8n's nodes for lists, dates, hashes and documents: what they become, and what is told of it."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}


def read(kind: str, version: float, parameters: JsonObject) -> tuple[Mapped, Fields]:
    fields = Fields(parameters)
    name = f"n8n-nodes-base.{kind}"
    return BY_TYPE[name].translate(SourceNode("Node", name, version, fields, {})), fields


CASES: list[tuple[str, float, JsonObject, JsonObject]] = [
    ("dateTime", 2, {"operation": "formatDate", "date": "={{ $json.d }}", "format": "MM/DD/YYYY"},
     {"operation": "format", "date": "{{ $json.d }}", "format": "MM/dd/yyyy"}),
    ("dateTime", 2, {"operation": "subtractFromDate", "magnitude": "2026", "duration": 2,
                     "timeUnit": "weeks", "options": {"includeInputFields": True}},
     {"operation": "subtract", "date": "2026", "unit": "weeks", "amount": 2, "include": "all"}),
    ("dateTime", 2, {"operation": "roundDate", "date": "2026", "mode": "roundUp"},
     {"operation": "round", "unit": "months", "direction": "up"}),
    ("dateTime", 2, {}, {"operation": "now", "include_time": True}),
    ("dateTime", 1, {"value": "2026", "toFormat": "YYYY-MM-DD[T]HH:mm dddd"},
     {"operation": "format", "format": "yyyy-MM-dd'T'HH:mm EEEE", "to": "data", "include": "all"}),
    ("dateTime", 2, {"operation": "formatDate", "date": "2026", "options": {"timezone": True}},
     {"operation": "format", "date": "2026", "read_timezone": "UTC"}),
    ("dateTime", 1, {"value": "2026", "options": {"toTimezone": "Asia/Tokyo"}},
     {"timezone": "Asia/Tokyo", "read_timezone": "workflow"}),
    ("dateTime", 1, {"action": "calculate", "value": "2026", "duration": 2},
     {"operation": "add", "amount": 2, "timezone": "UTC"}),
    ("set", 1, {"values": {"boolean": [{"name": "b", "value": "={{ $json.x }}"}],
                           "string": [{"name": "s", "value": "={{ $json.y }}"}]}},
     {"missing": "leave_out", "include": "all", "assignments": [
         {"name": "b", "value": "{{ !!($json.x) }}", "type": "any"},
         {"name": "s", "value": "{{ $json.y }}", "type": "any"}]}),
    ("set", 2, {"values": {"number": [{"name": "n", "value": "12"}],
                           "boolean": [{"name": "b", "value": "false"}]}},
     {"ignore_conversion_errors": True, "assignments": [
         {"name": "b", "value": True, "type": "any"},
         {"name": "n", "value": "12", "type": "number"}]}),
    ("set", 3.4, {"mode": "raw", "jsonOutput": '={"a": {{ $json.a }}, "b": "{{ $json.b }}"}'},
     {"mode": "json", "json": '{"a": {{ ((v) => typeof v === \'object\' ? JSON.stringify(v) : '
                              'String(v))($json.a) }}, "b": "{{ $json.b }}"}'}),
    ("summarize", 1, {"fieldsToSummarize": {"values": [{"field": "a"}]}, "fieldsToSplitBy": "g"},
     {"group_by": ["g"], "group_as": "texts"}),
    ("summarize", 1.1, {"fieldsToSummarize": {"values": [{"field": "a"}]}, "fieldsToSplitBy": "g"},
     {"group_by": ["g"], "allow_missing_fields": True}),
    ("aggregate", 1, {"aggregate": "aggregateAllItemData", "options": {"groupByFields": "a, b"}},
     {"mode": "items", "group_by": ["a", "b"]}),
    ("merge", 1, {"mode": "mergeByIndex"},
     {"combine_by": "position", "include_unpaired": True, "unpaired_from": "input1"}),
    ("merge", 1, {"mode": "mergeByKey", "propertyName1": "a", "propertyName2": "b",
                  "overwrite": "blank"},
     {"join": "look_up", "match": [{"left": "a", "right": "b"}], "on_clash": "input1",
      "keep_over_empty": True}),
    ("merge", 2, {"mode": "combine", "combinationMode": "mergeByPosition",
                  "options": {"clashHandling": {"values": {}}}},
     {"combine_by": "position", "on_empty": "others", "on_clash": "suffix"}),
    ("splitOut", 1, {"fieldToSplitOut": "$json.a"}, {"fields": [{"name": "a", "to": ""}]}),
    ("crypto", 1, {"value": "x"}, {"operation": "hash", "algorithm": "md5", "encoding": "hex"}),
    ("crypto", 1, {"action": "sign", "algorithm": "RSA-SHA512", "privateKey": "k"},
     {"operation": "sign", "algorithm": "sha512", "private_key": "k"}),
    ("crypto", 1, {"action": "generate"}, {"operation": "random", "kind": "uuid"}),
    ("html", 1, {"html": "<b>{{ $json.a }}</b>"},
     {"operation": "template", "html": "<b>{{ $json.a }}</b>"}),
    ("markdown", 1, {"mode": "markdownToHtml", "markdown": "# a", "options": {"tables": True}},
     {"mode": "to_html", "text": "# a", "heading_ids": True, "tables": True}),
    ("markdown", 1, {"html": "<b>x</b>", "options": {"emDelimiter": "*", "ignore": "a, b"}},
     {"mode": "to_markdown", "text": "<b>x</b>", "emphasis": "*", "ignore": ["a", "b"]}),
    ("merge", 3, {"mode": "combine", "fieldsToMatchString": "id", "joinMode": "keepEverything",
                  "outputDataFrom": "input1"},
     {"mode": "combine", "combine_by": "fields", "match": [{"left": "id"}],
      "join": "keep_everything", "output_from": "both", "multiple_matches": "all"}),
    ("merge", 3, {"mode": "combine", "fieldsToMatchString": "id", "joinMode": "keepNonMatches",
                  "options": {"multipleMatches": "first"}},
     {"mode": "combine", "combine_by": "fields", "match": [{"left": "id"}],
      "join": "keep_non_matches", "output_from": "both", "multiple_matches": "all"}),
    ("removeDuplicates", 2, {"compare": "selectedFields", "fieldsToCompare": "a, b"},
     {"compare": "selected", "fields": ["a", "b"]}),
    ("renameKeys", 1, {"keys": {"key": [{"currentKey": "a", "newKey": "b"}]}},
     {"fields": [{"name": "a", "to": "b"}]}),
    ("splitOut", 1, {"fieldToSplitOut": "a,b", "options": {"destinationFieldName": "x,y"}},
     {"fields": [{"name": "a", "to": "x"}, {"name": "b", "to": "y"}]}),
    ("sort", 1, {"type": "random"}, {"mode": "random"}),
    ("sort", 1, {"type": "code", "code": "return 1"},
     {"code": "return $input.all().sort((a, b) => {\nreturn 1\n});"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "theirs", "ours"), CASES)
def test_a_node_becomes_one_of_ours(
    kind: str, version: float, theirs: JsonObject, ours: JsonObject
) -> None:
    mapped, fields = read(kind, version, theirs)
    assert {name: mapped.parameters.get(name) for name in ours} == ours
    found = builtin().find(mapped.type)
    assert found is not None
    found.Parameters.model_validate(mapped.parameters)
    assert list(fields.unread()) == []


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("removeDuplicates", {"operation": "guessDuplicates"}),
        ("crypto", {"binaryData": True}),
        ("crypto", {"action": "sign", "algorithm": "RSA-RIPEMD160"}),
        ("splitOut", {"fieldToSplitOut": "$binary"}),
        ("html", {"operation": "extractHtmlContent", "sourceData": "binary"}),
        ("dateTime", {"value": "2026", "toFormat": "Do MMMM"}),
    ],
)
def test_what_has_no_counterpart_says_so(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(CannotMap):
        read(kind, 1, parameters)

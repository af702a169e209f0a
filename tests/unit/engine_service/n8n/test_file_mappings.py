"""n8n's nodes of files, and files in its HTTP requests: what they become."""

import pytest

from engine_service.catalogue import builtin
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}
PART = {"parameterType": "formBinaryData", "name": "doc", "inputDataFieldName": "f"}


def read(kind: str, version: float, parameters: JsonObject) -> Mapped:
    name = f"n8n-nodes-base.{kind}"
    node = SourceNode("Node", name, version, Fields(parameters), {})
    return BY_TYPE[name].translate(node)


CASES: list[tuple[str, float, JsonObject, JsonObject]] = [
    ("extractFromFile", 1, {"options": {"delimiter": ";", "fromLine": 3, "maxRowCount": 9}},
     {"operation": "read", "format": "csv", "delimiter": ";", "skip_rows": 2, "max_items": 9}),
    ("extractFromFile", 1, {"operation": "fromJson", "destinationKey": "d"},
     {"format": "json", "output_field": "d", "split_items": False}),
    ("extractFromFile", 1, {"operation": "binaryToPropery", "binaryPropertyName": "f"},
     {"format": "base64", "file_field": "f", "output_field": "data"}),
    ("convertToFile", 1.1, {"options": {"fileName": "a.csv", "headerRow": False}},
     {"operation": "write", "format": "csv", "file_name": "a.csv", "header": False}),
    ("convertToFile", 1.1, {"operation": "toJson", "mode": "each", "options": {"format": True}},
     {"format": "json", "per_item": True, "pretty": True}),
    ("convertToFile", 1.1, {"operation": "toText", "sourceProperty": "t"},
     {"format": "text", "source_field": "t", "per_item": True}),
    ("spreadsheetFile", 2, {"operation": "toFile", "fileFormat": "xlsx",
                            "options": {"sheetName": "S"}},
     {"operation": "write", "format": "xlsx", "sheet": "S"}),
    ("spreadsheetFile", 1, {"operation": "toFile", "fileFormat": "html"},
     {"operation": "write", "format": "html", "flatten": True}),
    ("spreadsheetFile", 1, {"operation": "toFile"}, {"operation": "write", "format": "xlsx"}),
    ("extractFromFile", 1, {"operation": "html"}, {"operation": "read", "format": "html"}),
    ("spreadsheetFile", 2, {}, {"operation": "read", "format": "auto", "header": True}),
    ("moveBinaryData", 1, {}, {"operation": "read", "format": "json", "file_field": "data"}),
    ("moveBinaryData", 1, {"mode": "jsonToBinary", "options": {"fileName": "x.json"}},
     {"operation": "write", "format": "json", "per_item": True, "file_name": "x.json"}),
    ("compression", 1.1, {"operation": "compress", "binaryPropertyName": "a, b",
                          "fileName": "z.zip"},
     {"operation": "compress", "file_field": "a, b", "archive": "zip", "file_name": "z.zip"}),
    ("compression", 1.1, {}, {"operation": "decompress", "output_field": "file"}),
    ("httpRequest", 4.2, {"url": "https://e.com", "options": {"response": {"response": {
        "responseFormat": "file", "outputPropertyName": "pdf"}}}},
     {"response": "file", "file_field": "pdf"}),
    ("httpRequest", 4.2, {"url": "https://e.com", "method": "POST", "sendBody": True,
                          "contentType": "binaryData", "inputDataFieldName": "f"},
     {"body_kind": "file", "body": "f"}),
    ("httpRequest", 4.2, {"url": "https://e.com", "method": "POST", "sendBody": True,
                          "contentType": "multipart-form-data", "bodyParameters": {"parameters": [
                              PART, {"name": "n", "value": "1"}]}},
     {"body_kind": "multipart", "body": {"doc": {"binary": "f"}, "n": "1"}}),
    ("httpRequest", 1, {"url": "https://e.com", "requestMethod": "POST", "sendBinaryData": True,
                        "binaryPropertyName": "a:x, b:y", "responseFormat": "file"},
     {"body_kind": "multipart", "body": {"a": {"binary": "x"}, "b": {"binary": "y"}},
      "response": "file", "file_field": "data"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "theirs", "ours"), CASES)
def test_a_node_of_files_becomes_one_of_ours(
    kind: str, version: float, theirs: JsonObject, ours: JsonObject
) -> None:
    mapped = read(kind, version, theirs)
    assert {name: mapped.parameters.get(name) for name in ours} == ours
    found = builtin().find(mapped.type)
    assert found is not None
    found.Parameters.model_validate(mapped.parameters)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("readWriteFile", {}),
        ("writeBinaryFile", {}),
        ("iCal", {}),
        ("extractFromFile", {"operation": "pdf"}),
        ("extractFromFile", {"options": {"range": "A1:B2"}}),
        ("convertToFile", {"operation": "rtf"}),
    ],
)
def test_what_has_no_counterpart_says_so(kind: str, parameters: JsonObject) -> None:
    with pytest.raises(CannotMap):
        read(kind, 1, parameters)

"""What n8n's nodes of S3 become."""

import pytest

from engine_service.n8n.mapping import CannotMap
from shared.workflow import JsonObject
from tests.unit.engine_service.n8n.test_mappings import mapped

_AT = {"bucketName": "box", "fileKey": "={{ $json.key }}"}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (_AT,
         {"operation": "get", "bucket": "box", "key": "{{ $json.key }}", "file_field": "data"}),
        (
            {"operation": "upload", "bucketName": "box", "fileName": "a.txt",
             "additionalFields": {"acl": "publicRead", "parentFolderKey": "in/",
                                  "storageClass": "standardIA"}},
            {"operation": "put", "bucket": "box", "key": "in/a.txt", "file": "data",
             "headers": {"x-amz-acl": "public-read", "x-amz-storage-class": "STANDARD_IA"}},
        ),
        (
            {"operation": "upload", "bucketName": "box", "fileName": "a", "binaryData": False,
             "fileContent": "=Hi {{ $json.name }}"},
            {"operation": "put", "bucket": "box", "key": "a", "content": "Hi {{ $json.name }}"},
        ),
        (
            {"operation": "getAll", "bucketName": "box", "returnAll": True,
             "options": {"folderKey": "in/"}},
            {"operation": "list", "bucket": "box", "prefix": "in/", "limit": None},
        ),
        ({"operation": "delete", **_AT},
         {"operation": "delete", "bucket": "box", "key": "{{ $json.key }}"}),
        (
            {"operation": "copy", "sourcePath": "/old/one/x", "destinationPath": "/box/two"},
            {"operation": "copy", "bucket": "box", "key": "two", "from_bucket": "old",
             "from_key": "one/x"},
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["awsS3", "s3"])
def test_files(kind: str, given: JsonObject, made: JsonObject) -> None:
    node, told = mapped(kind, given)
    assert (node.type, node.parameters) == ("s3.object", made)
    assert not [line for line in told if "Names" not in line]


@pytest.mark.parametrize(
    "given",
    [
        {"resource": "bucket", "operation": "create", "name": "b"},
        {"operation": "delete", **_AT, "options": {"versionId": "1"}},
        {"operation": "copy", "sourcePath": "={{ $json.from }}", "destinationPath": "/box/two"},
        {"operation": "copy", "sourcePath": "/box", "destinationPath": "/box/two"},
    ],
)
def test_what_has_no_counterpart_says_so(given: JsonObject) -> None:
    with pytest.raises(CannotMap):
        mapped("awsS3", given)

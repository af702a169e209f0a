"""Storage of objects: S3 at Amazon and elsewhere."""

from engine_service.n8n.app import App, limit
from engine_service.n8n.mapping import CannotMap, Fields, NodeMapping
from shared.workflow import JsonObject

_ACL = {
    "authenticatedRead": "authenticated-read", "awsExecRead": "aws-exec-read",
    "bucketOwnerFullControl": "bucket-owner-full-control", "bucketOwnerRead": "bucket-owner-read",
    "private": "private", "publicRead": "public-read", "publicReadWrite": "public-read-write",
}  # fmt: skip
_CLASS = {
    "deepArchive": "DEEP_ARCHIVE", "glacier": "GLACIER", "intelligentTiering":
    "INTELLIGENT_TIERING", "onezoneIA": "ONEZONE_IA", "reducedRedundancy": "REDUCED_REDUNDANCY",
    "standard": "STANDARD", "standardIA": "STANDARD_IA",
}  # fmt: skip


def _object(fields: Fields) -> JsonObject:
    return {"bucket": fields.take("bucketName"), "key": fields.take("fileKey")}


def _download(fields: Fields) -> JsonObject:
    made = {"operation": "get", **_object(fields)}
    return {**made, "file_field": fields.text("binaryPropertyName", "data")}


def _upload(fields: Fields) -> JsonObject:
    more = fields.section("additionalFields")
    folder = more.text("parentFolderKey").strip("/")
    name = fields.text("fileName")
    made: JsonObject = {
        "operation": "put",
        "bucket": fields.take("bucketName"),
        "key": f"{folder}/{name}" if folder else name,
        "headers": _headers(more),
    }
    if fields.flag("binaryData", default=True):
        fields.ignore("fileContent")
        return {**made, "file": fields.text("binaryPropertyName", "data")}
    fields.ignore("binaryPropertyName")
    return {**made, "content": fields.text("fileContent") or "{{ '' }}"}


def _headers(more: Fields) -> JsonObject:
    made: JsonObject = {}
    if more.has("acl"):
        made["x-amz-acl"] = more.choice("acl", _ACL, "private")
    if more.has("storageClass"):
        made["x-amz-storage-class"] = more.choice("storageClass", _CLASS, "standard")
    return made


def _list(fields: Fields) -> JsonObject:
    options = fields.section("options")
    options.ignore("fetchOwner")
    fields.differ("Names of what is found are those of s3.object: key, size, etag, …")
    return {
        "operation": "list",
        "bucket": fields.take("bucketName"),
        "prefix": options.take("folderKey"),
        **limit(fields, 100),
    }


def _delete(fields: Fields) -> JsonObject:
    if fields.section("options").has("versionId"):
        raise CannotMap("It deletes one version of an object; only objects are deleted here.")
    return {"operation": "delete", **_object(fields)}


def _copy(fields: Fields) -> JsonObject:
    source, target = (_place(fields, name) for name in ("sourcePath", "destinationPath"))
    made: JsonObject = {"operation": "copy", "bucket": target[0], "key": target[1]}
    return {**made, "from_bucket": source[0], "from_key": source[1]}


def _place(fields: Fields, name: str) -> tuple[str, str]:
    """Bucket and key of a path."""
    bucket, _, key = str(fields.fixed(name, "")).lstrip("/").partition("/")
    if not key:
        raise CannotMap(f"Its {name} does not say a bucket and a key.")
    return bucket, key


_S3 = App(
    "s3.object",
    {
        "file:download": _download,
        "file:upload": _upload,
        "file:getAll": _list,
        "file:delete": _delete,
        "file:copy": _copy,
    },
    "file",
    "download",
)

MAPPINGS = (NodeMapping(("n8n-nodes-base.awsS3", "n8n-nodes-base.s3"), _S3.translate),)

"""`s3.object`: keeps and gets objects in S3, or in storage that speaks like it."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import Connector, each_item
from engine_service.connectors.operation import OPERATION, Call, Choice, Listing, Operation
from engine_service.connectors.s3 import (
    S3,
    Storage,
    about,
    encoded,
    listed,
    metadata_headers,
)
from engine_service.sdk.blob import UNKNOWN_TYPE
from engine_service.sdk.node import (
    MAIN,
    BodyStream,
    Done,
    Effect,
    Failed,
    HttpRequest,
    NodeError,
    NodeInput,
    Outcome,
    Services,
)
from engine_service.values.attachments import file_id
from engine_service.values.field_types import to_text
from engine_service.web.files import Download, file_body
from shared.workflow import Item, JsonObject

if TYPE_CHECKING:
    from engine_service.web import sigv4

_SIGNING = "engine_service.web.sigv4"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SECONDS = 600.0
_PAGE = 1_000
_BUCKET = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$"
_SAMPLE_FILE: JsonObject = {
    "id": "sample", "file_name": "report.pdf", "media_type": "application/pdf", "size": 1024,
}  # fmt: skip
_OBJECT: JsonObject = {
    "bucket": "reports", "key": "2026/report.pdf", "size": 1024, "etag": "9b2cf535f27731c9",
    "content_type": "application/pdf", "last_modified": "Mon, 02 Mar 2026 09:00:00 GMT",
    "metadata": {},
}  # fmt: skip
_DONE: JsonObject = {"bucket": "reports", "key": "2026/report.pdf"}


class _InBucket(Operation):
    """Where."""

    bucket: str = Field(pattern=_BUCKET, description="The bucket's name")


class _OfObject(_InBucket):
    """Which object."""

    key: str = Field(min_length=1, max_length=1_024, description="The object's key in the bucket")


class GetObject(_OfObject):
    """Gets an object as a file of the item."""

    operation: Literal["get"] = OPERATION
    file_field: str = Field(
        default="data", min_length=1, max_length=100, description="The file's name in the item"
    )
    call = Call("GET", "", Effect.READ)
    sample = _OBJECT


class PutObject(_OfObject):
    """Keeps a file of the item, or a value, as an object."""

    operation: Literal["put"] = OPERATION
    file: str = Field(default="", description="The name of the item's file that is to be kept")
    content: Any = Field(
        default=None, description="What is to be kept instead of a file: a text, or a value as JSON"
    )
    content_type: str = Field(
        default="", description="Its media type; the file's own when not given"
    )
    metadata: dict[str, str] = Field(
        default_factory=dict[str, str], description="What is said of the object, by name"
    )
    headers: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Further headers of S3: `cache-control`, `x-amz-acl`, `x-amz-storage-class`, …",
    )
    call = Call("PUT", "", Effect.KEYED)
    sample: ClassVar[JsonObject] = {**_DONE, "etag": "9b2cf535f27731c9", "size": 1024}


class ListObjects(_InBucket, Listing):
    """Lists the objects of a bucket, an item for each."""

    operation: Literal["list"] = OPERATION
    prefix: str = Field(default="", max_length=1_024, description="How keys begin")
    delimiter: str = Field(
        default="",
        max_length=10,
        description="A sign such as `/` up to which keys that begin alike are one `{prefix}`",
    )
    call = Call("GET", "", Effect.READ)
    sample: ClassVar[JsonObject] = {
        "key": "2026/report.pdf", "size": 1024, "etag": "9b2cf535f27731c9",
        "last_modified": "2026-03-02T09:00:00.000Z", "storage_class": "STANDARD",
    }  # fmt: skip


class HeadObject(_OfObject):
    """Tells what an object is, without its content."""

    operation: Literal["head"] = OPERATION
    call = Call("GET", "", Effect.READ)
    sample = _OBJECT


class DeleteObject(_OfObject):
    """Deletes an object; one that is not there is no mistake."""

    operation: Literal["delete"] = OPERATION
    call = Call("DELETE", "", Effect.KEYED)
    sample: ClassVar[JsonObject] = {**_DONE, "deleted": True}


class CopyObject(_OfObject):
    """Copies an object to the key, from the same or another bucket, inside the storage."""

    operation: Literal["copy"] = OPERATION
    from_key: str = Field(min_length=1, max_length=1_024, description="The key to copy from")
    from_bucket: str = Field(
        default="", pattern=rf"{_BUCKET}|^$", description="Its bucket, if it is another one"
    )
    call = Call("PUT", "", Effect.KEYED)
    sample = _DONE


class LinkObject(_OfObject):
    """Makes an address by which anybody can get the object, or put it there, for a while."""

    operation: Literal["link"] = OPERATION
    method: Literal["GET", "PUT"] = Field(default="GET", description="What it allows")
    expires: int = Field(
        default=3_600, ge=1, le=604_800, description="For how many seconds it does"
    )
    call = Call("GET", "", Effect.READ)
    sample: ClassVar[JsonObject] = {
        **_DONE, "url": "https://reports.s3.us-east-1.amazonaws.com/2026/report.pdf?X-Amz-…",
    }  # fmt: skip


class S3Parameters(Choice):
    """One operation."""

    operations = (
        GetObject, PutObject, ListObjects, HeadObject, DeleteObject, CopyObject, LinkObject,
    )  # fmt: skip


class S3Object(Connector):
    """Keeps, gets, lists, copies and deletes objects in S3, or makes links to them.

    The credential says where: at Amazon, or at an endpoint of storage that speaks S3 (MinIO, R2,
    Ceph, …). It is bound to that place, and its secret signs requests without travelling.

    - `get` streams an object into the file `file_field` of the item; `put` streams a file of the
      item (`file`) out of it, or keeps `content`. Both take files of any size that the engine keeps
      (S3 takes 5 GB in one piece).
    - `list` gives an item for each object; `head` tells of one.
    - `link` makes an address that works for whoever has it until it expires; with a temporary key
      there is none, for the address would have to show its session token.

    Refusals have the codes of all connectors: not_found, forbidden, not_authenticated, …
    """

    Parameters = S3Parameters
    type = "s3.object"
    title = "S3 object"
    effect = Effect.KEYED
    vendor = S3
    credential_types = S3.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "list", "bucket": "reports", "prefix": "2026/"},
        {"operation": "put", "bucket": "reports", "key": "{{ $json.id }}.pdf", "file": "data"},
        {
            "operation": "copy",
            "bucket": "archive",
            "key": "a.pdf",
            "from_bucket": "reports",
            "from_key": "a.pdf",
        },
    )
    keywords = (
        "s3", "bucket", "object storage", "aws", "amazon", "minio", "r2", "upload file",
        "presigned link", "对象存储", "存储桶", "上传文件",
    )  # fmt: skip

    async def run(self, given: NodeInput[Operation], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        caller = await self.caller(services)

        async def perform(index: int) -> list[Item]:
            operation, item = given.parameters_for(index), given.items[index]
            made = await _Work(caller, item).do(operation)
            return [{**one, "paired_item": index} for one in made]

        return await each_item(len(given.items), 4, perform)

    def plan(self, parameters: Operation) -> str:
        name, where = parameters.model_dump()["operation"], cast("_InBucket", parameters)
        return f"S3: {name} {where.bucket}/{getattr(parameters, 'key', '')}".strip()

    def address(self, parameters: Operation) -> str:
        del parameters
        return ""  # the credential says where it is

    def sample(self, given: NodeInput[Operation]) -> Done:
        done = super().sample(given)
        for index, item in enumerate(done.outputs[MAIN]):
            operation = given.parameters_for(index)
            if isinstance(operation, GetObject):
                item["binary"] = {operation.file_field: _SAMPLE_FILE}
        return done

    @classmethod
    def check(cls, parameters: Operation) -> Sequence[tuple[str, str, str]]:
        if isinstance(parameters, PutObject) and not parameters.file and parameters.content is None:
            return [("/file", "missing", "Say which file to keep, or what content.")]
        return []


@dataclass(frozen=True, slots=True)
class _Work:
    """One item's operation."""

    caller: Caller
    item: Item

    async def do(self, operation: Operation) -> list[Item]:
        match operation:
            case GetObject():
                return [await self._get(operation)]
            case PutObject():
                return [{"json": await self._put(operation)}]
            case ListObjects():
                return [{"json": one} for one in await self._list(operation)]
            case HeadObject():
                head = await self._ask("HEAD", self._address(operation), Effect.READ)
                return [{"json": about(operation.bucket, operation.key, head)}]
            case DeleteObject():
                await self._ask("DELETE", self._address(operation), Effect.KEYED)
                return [{"json": {**_named(operation), "deleted": True}}]
            case CopyObject():
                source = (
                    f"/{operation.from_bucket or operation.bucket}/{encoded(operation.from_key)}"
                )
                said = {"x-amz-copy-source": source}
                await self._ask("PUT", self._address(operation), Effect.KEYED, said)
                return [{"json": _named(operation)}]
            case LinkObject():
                url = await self._link(operation)
                return [{"json": {**_named(operation), "url": url}}]
            case _:
                raise AssertionError(f"no operation: {operation}")

    async def _get(self, operation: GetObject) -> Item:
        services = self.caller.services
        download = Download(services.blobs, services.emit)
        request = self._request("GET", self._address(operation), take=download.take)
        head, _ = await self.caller.respond(request, Effect.READ)
        file = download.whole
        told = {**about(operation.bucket, operation.key, head), "size": file.size}
        files: JsonObject = {**(self.item.get("binary") or {})}
        return {"json": told, "binary": {**files, operation.file_field: file.reference()}}

    async def _put(self, operation: PutObject) -> JsonObject:
        body, media_type, digest = await self._content(operation)
        headers = {
            **{name.lower(): value for name, value in operation.headers.items()},
            **metadata_headers(operation.metadata),
            "content-type": operation.content_type or media_type,
            **digest,
        }
        address = self._address(operation)
        head = await self._ask("PUT", address, Effect.KEYED, headers, body)
        size = body.size if isinstance(body, BodyStream) else len(body)
        etag = head.headers.get("etag", "").strip('"')
        return {**_named(operation), "etag": etag, "size": size}

    async def _content(
        self, operation: PutObject
    ) -> tuple[bytes | BodyStream, str, Mapping[str, str]]:
        """What is to be kept, its type, and what is said of it for the signature."""
        if operation.file:
            blobs = self.caller.services.blobs
            body, media_type = await file_body(operation.file, self.item, blobs)
            blob = await blobs.find(file_id(self.item, operation.file))
            return (
                body,
                media_type or UNKNOWN_TYPE,
                {"x-amz-content-sha256": blob.sha256 or _UNSIGNED},
            )
        content = operation.content
        if isinstance(content, str):
            return content.encode(), "text/plain; charset=utf-8", {}
        return to_text(content).encode(), "application/json", {}

    async def _list(self, operation: ListObjects) -> list[JsonObject]:
        most, found, mark = operation.at_most(), list[JsonObject](), ""
        while True:
            left = _PAGE if most is None else min(_PAGE, most - len(found))
            query = {
                "list-type": "2",
                "encoding-type": "url",
                "max-keys": str(left),
                "prefix": operation.prefix,
                "delimiter": operation.delimiter,
                "continuation-token": mark,
            }
            asked = {name: value for name, value in query.items() if value}
            address = self._storage().address(operation.bucket, **asked)
            request = self._request("GET", address)
            page, mark = listed((await self.caller.respond(request, Effect.READ))[1])
            found += page
            if not mark or (most is not None and len(found) >= most):
                return found[:most]

    async def _link(self, operation: LinkObject) -> str:
        credential, url = self.caller.credential, self._address(operation)
        assert credential is not None  # `caller` sees to it
        known = credential.reveal()
        if known["session_token"]:
            message = "A temporary key makes no links: they would show its session token."
            raise NodeError(Failed("refused", message))
        key = known["access_key_id"], known["secret_access_key"], ""
        signer = await asyncio.to_thread(_signer)
        return signer(*key, known["region"]).link(operation.method, url, operation.expires)

    async def _ask(
        self,
        method: str,
        url: str,
        effect: Effect,
        headers: Mapping[str, str] | None = None,
        body: bytes | BodyStream | None = None,
    ) -> Any:
        request = self._request(method, url, headers=headers or {}, body=body)
        return (await self.caller.respond(request, effect))[0]

    def _request(self, method: str, url: str, **more: Any) -> HttpRequest:
        credential = self.caller.credential
        return HttpRequest(method, url, timeout=_SECONDS, credential=credential, **more)

    def _storage(self) -> Storage:
        assert self.caller.credential is not None  # `caller` sees to it
        return Storage.of(self.caller.credential)

    def _address(self, operation: _OfObject) -> str:
        return self._storage().address(operation.bucket, operation.key)


def _named(operation: _OfObject) -> JsonObject:
    return {"bucket": operation.bucket, "key": operation.key}


def _signer() -> "type[sigv4.Signer]":
    """What signs; loading it takes a while."""
    return importlib.import_module(_SIGNING).Signer

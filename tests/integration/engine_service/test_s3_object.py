"""`s3.object` against a server that speaks S3 and checks signatures."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from engine_service.connectors.s3 import Storage
from engine_service.credentials import BY_TYPE
from engine_service.credentials.aws_access_key import AwsAccessKey, AwsFields
from engine_service.nodes.s3_object import S3Object
from engine_service.sdk.node import Done, Effect, Failed, HttpRequest, Outcome
from engine_service.web.binding import Binding
from engine_service.web.outgoing import GuardedHttpClient
from shared.workflow import Item, JsonObject
from tests.support.file_store import FileStore
from tests.support.http_server import Answer, serve
from tests.support.run_node import allowing, given, jsons, run_action, services
from tests.support.s3_server import KEY, SECRET, Bucket, s3_bucket

LARGE = bytes(range(256)) * 4096 * 12  # more than an answer may have that is no file


class Key:
    """An opened access key; implements `node.Credential` and gives itself as `node.Credentials`."""

    type = "aws.access_key"

    def __init__(self, **fields: str) -> None:
        self.kind = BY_TYPE[self.type]
        assert isinstance(self.kind, AwsAccessKey)
        self.fields = AwsFields.model_validate(fields)

    async def find(self, *types: str) -> "Key | None":
        return self if self.type in types else None

    def covers(self, scheme: str, host: str, port: int) -> bool:
        return Binding.parse(self.kind.hosts_of(self.fields)).covers(scheme, host, port)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        assert isinstance(self.kind, AwsAccessKey)
        await self.kind.prepare()
        return self.kind.apply(self.fields, request)

    async def renew(self) -> bool:
        return False

    def hide(self, text: str) -> str:
        return text.replace(self.fields.secret_access_key, "[hidden]")

    def open_fields(self) -> Mapping[str, Any]:
        return self.fields.model_dump(exclude={"secret_access_key", "session_token"})

    def reveal(self) -> Mapping[str, Any]:
        return self.fields.model_dump()


@dataclass
class Shelf:
    """A bucket, and a way to work on it."""

    bucket: Bucket
    key: Key
    store: FileStore
    client: GuardedHttpClient

    async def do(self, item: Item | None = None, by: Key | None = None, **what: Any) -> Outcome:
        told = services(http=self.client, credentials=by or self.key, blobs=self.store)
        parameters = {"bucket": self.bucket.name, **what}
        return await run_action(S3Object, given(S3Object, parameters, [item or {"json": {}}]), told)


@pytest.fixture(scope="module")
async def bucket() -> AsyncGenerator[Bucket]:
    async with s3_bucket("shelf") as made:
        yield made


@pytest.fixture
async def shelf(bucket: Bucket, tmp_path: Path) -> AsyncGenerator[Shelf]:
    client = allowing(bucket.endpoint.removeprefix("http://"))
    key = Key(access_key_id=KEY, secret_access_key=SECRET, endpoint=bucket.endpoint)
    yield Shelf(bucket, key, FileStore(tmp_path, most=20_000_000), client)
    await client.close()


def failure(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


async def test_a_file_is_kept_and_got_again_as_it_streams(shelf: Shelf) -> None:
    item: Item = {"json": {}, "binary": {"f": await shelf.store.put(LARGE, "a.bin", "x/a")}}
    key = "in here/größe & +100%.bin"
    put = await shelf.do(item, operation="put", key=key, file="f", metadata={"Owner": "ada"})
    [told] = jsons(put)
    assert told["size"] == len(LARGE)
    got = await shelf.do(item, operation="get", key=key, file_field="g")
    [seen] = jsons(got)
    assert (seen["key"], seen["size"], seen["etag"]) == (key, len(LARGE), told["etag"])
    assert (seen["content_type"], seen["metadata"]) == ("x/a", {"owner": "ada"})
    assert isinstance(got, Done)
    files: JsonObject = got.outputs["main"][0]["binary"]
    assert files["f"] == item["binary"]["f"]
    assert await shelf.store.read(files["g"]) == LARGE


async def test_values_are_kept_as_text_or_json(shelf: Shelf) -> None:
    await shelf.do(operation="put", key="text", content="ü")
    await shelf.do(operation="put", key="json", content={"a": [1]})
    [text] = jsons(await shelf.do(operation="head", key="text"))
    [made] = jsons(await shelf.do(operation="head", key="json"))
    assert (text["content_type"], text["size"]) == ("text/plain; charset=utf-8", 2)
    assert made["content_type"] == "application/json"
    got = await shelf.do(operation="get", key="json")
    assert isinstance(got, Done)
    assert await shelf.store.read(got.outputs["main"][0]["binary"]["data"]) == b'{"a":[1]}'


async def test_a_list_goes_on_over_pages_and_folds_what_begins_alike(shelf: Shelf) -> None:
    keys = [f"list/{folder}/{n} &.txt" for folder in "ab" for n in range(4)]
    for key in keys:
        await shelf.do(operation="put", key=key, content="x")
    found = jsons(await shelf.do(operation="list", prefix="list/", limit=None))
    assert [one["key"] for one in found] == sorted(keys)
    assert found[0]["size"] == 1
    some = jsons(await shelf.do(operation="list", prefix="list/", limit=3))
    assert [one["key"] for one in some] == sorted(keys)[:3]
    folded = jsons(await shelf.do(operation="list", prefix="list/", delimiter="/"))
    assert folded == [{"prefix": "list/a/"}, {"prefix": "list/b/"}]


async def test_an_object_is_copied_and_deleted(shelf: Shelf) -> None:
    await shelf.do(operation="put", key="first +1", content="x")
    await shelf.do(operation="copy", key="second", from_key="first +1")
    [told] = jsons(await shelf.do(operation="delete", key="first +1"))
    assert told["deleted"]
    assert failure(await shelf.do(operation="head", key="first +1")).code == "not_found"
    assert jsons(await shelf.do(operation="head", key="second"))
    missing = failure(await shelf.do(operation="copy", key="third", from_key="nothing"))
    assert missing.code == "not_found"
    assert "NoSuchKey" in missing.message


async def test_a_link_works_for_whoever_has_it(shelf: Shelf) -> None:
    [put] = jsons(await shelf.do(operation="link", key="by link", method="PUT", expires=60))
    with await asyncio.to_thread(
        urlopen, Request(put["url"], b"sent", {"content-type": "x/x"}, method="PUT")
    ) as answer:
        assert answer.status == 200
    [get] = jsons(await shelf.do(operation="link", key="by link"))
    with await asyncio.to_thread(urlopen, get["url"]) as answer:
        assert answer.read() == b"sent"
    assert SECRET not in get["url"]


async def test_a_temporary_key_makes_no_links(shelf: Shelf) -> None:
    key = Key(
        access_key_id="a", secret_access_key="b", session_token="c", endpoint="https://s3.test"
    )
    refused = failure(await shelf.do(None, key, operation="link", key="a"))
    assert refused.code == "refused"


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "SignatureDoesNotMatch", "not_authenticated"),
        (403, "AccessDenied", "forbidden"),
        (200, "InternalError", "vendor_unavailable"),
        (503, "SlowDown", "vendor_unavailable"),
        (404, "NoSuchBucket", "not_found"),
    ],
)
async def test_what_s3_says_is_told_by_the_codes_of_all_connectors(
    shelf: Shelf, status: int, code: str, told: str
) -> None:
    xml = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>No.</Message></Error>"
    headers = {"content-type": "application/xml", "retry-after": "0"}
    async with serve(lambda _: Answer(status, headers, xml.encode())) as server:
        key = Key(access_key_id=KEY, secret_access_key=SECRET, endpoint=server.url)
        shelf.client = allowing(server.authority)
        failed = failure(await shelf.do(None, key, operation="copy", key="a", from_key="b"))
        await shelf.client.close()
    assert failed.code == told
    assert code in failed.message
    assert len(server.seen) == (3 if told == "vendor_unavailable" else 1)
    for seen in server.seen:
        assert seen.headers["x-amz-copy-source"] == "/shelf/b"
        assert SECRET not in str(seen.headers)


async def test_a_key_goes_nowhere_but_to_its_endpoint(shelf: Shelf) -> None:
    key = Key(access_key_id=KEY, secret_access_key=SECRET, endpoint="https://s3.example.com")
    assert key.covers("https", "s3.example.com", 443)
    assert not key.covers("https", "shelf.s3.example.com", 443)
    amazon = Key(access_key_id=KEY, secret_access_key=SECRET, region="eu-central-1")
    assert amazon.covers("https", "shelf.s3.eu-central-1.amazonaws.com", 443)
    assert not amazon.covers("http", "shelf.s3.eu-central-1.amazonaws.com", 80)
    assert not amazon.covers("https", "amazonaws.com.example.com", 443)


@pytest.mark.parametrize("key", ["../other/a", "a/./b", ".."])
async def test_no_key_leads_out_of_its_bucket(shelf: Shelf, key: str) -> None:
    assert failure(await shelf.do(operation="get", key=key)).code == "bad_request"


@pytest.mark.parametrize(
    ("fields", "bucket", "address"),
    [
        ({"region": "eu-west-1"}, "b", "https://b.s3.eu-west-1.amazonaws.com/k%20y"),
        ({"region": "eu-west-1"}, "b.c", "https://s3.eu-west-1.amazonaws.com/b.c/k%20y"),
        ({"region": "cn-north-1"}, "b", "https://b.s3.cn-north-1.amazonaws.com.cn/k%20y"),
        ({"addressing": "path"}, "b", "https://s3.us-east-1.amazonaws.com/b/k%20y"),
        ({"endpoint": "https://x.test/s"}, "b", "https://x.test/s/b/k%20y"),
        ({"endpoint": "https://x.test", "addressing": "virtual"}, "b", "https://b.x.test/k%20y"),
    ],
)
def test_a_bucket_is_where_its_credential_says(
    fields: dict[str, str], bucket: str, address: str
) -> None:
    key = Key(access_key_id=KEY, secret_access_key=SECRET, **fields)
    assert Storage.of(key).address(bucket, "k y") == address
    parts = urlsplit(address)
    assert key.covers(parts.scheme, str(parts.hostname), 443)


def test_what_only_reads_may_be_repeated() -> None:
    assert S3Object.effect_of({"operation": "get"}) is Effect.READ
    assert S3Object.effect_of({"operation": "put"}) is Effect.KEYED

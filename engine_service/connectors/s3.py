"""S3 as a vendor: where objects are, what its XML says, and how it says no.

Buckets are part of the host at Amazon, and the first step of the path elsewhere, unless the
credential says otherwise.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

from engine_service.connectors.vendor import Vendor, by_status, refusal
from engine_service.sdk.node import Credential, Failed, HttpResponse, NodeError
from engine_service.values.xml_reading import BadXml, XmlReading
from shared.workflow import JsonObject

_READING = XmlReading(root=True, always_lists=True, ignore_attributes=True)
_CODE = re.compile(r"<Code>([\w.-]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,500})</Message>")
_ERROR = re.compile(r"(?:<\?xml[^>]*\?>)?\s*<Error[\s>]")
_REGION = "us-east-1"
_META = "x-amz-meta-"
_LATER = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """S3 may begin to answer 200 and then say in XML that it failed after all."""
    text = answer if isinstance(answer, str) else ""
    failed = response.status >= 400 or _ERROR.match(text) is not None
    if not failed:
        return None
    code, said = _CODE.search(text), _MESSAGE.search(text)
    name = code[1] if code else ""
    words = ": ".join(found[1] for found in (code, said) if found)
    if name in _UNKNOWN_KEY:
        return refusal(vendor, "not_authenticated", words, False, response)
    if name in _LATER or response.status < 400:
        return refusal(vendor, "vendor_unavailable", words, True, response)
    return by_status(vendor, response, words)


S3 = Vendor("S3", "https://s3.amazonaws.com", ("aws.access_key",), _judge)


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the buckets of a credential are."""

    endpoint: str
    virtual: bool

    @classmethod
    def of(cls, credential: Credential) -> "Storage":
        """What the credential says."""
        fields = credential.open_fields()
        region, endpoint = fields.get("region", _REGION), fields.get("endpoint", "")
        end = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        addressing = fields.get("addressing", "auto")
        return cls(
            endpoint or f"https://s3.{region}.{end}",
            addressing == "virtual" or (addressing == "auto" and not endpoint),
        )

    def address(self, bucket: str, key: str = "", **query: str) -> str:
        """The URL of an object, or of a bucket.

        Raises:
            NodeError: Some program on the way would read the key as another one.
        """
        if any(step in (".", "..") for step in key.split("/")):
            raise NodeError(Failed("bad_request", f"A key cannot hold a step like {key[:200]!r}."))
        parts = urlsplit(self.endpoint)
        # No certificate is for a name below a name with dots.
        virtual = self.virtual and not (parts.scheme == "https" and "." in bucket)
        place = f"{parts.scheme}://{bucket}.{parts.netloc}" if virtual else self.endpoint
        path = "" if virtual else f"/{bucket}"
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"{place}{path}/{encoded(key)}{asked}" if key or virtual else f"{place}{path}{asked}"


def encoded(key: str) -> str:
    """A key as it stands in a path."""
    return quote(key, safe="/-_.~")


def about(bucket: str, key: str, head: HttpResponse) -> JsonObject:
    """What the head of an answer says of an object."""
    headers = head.headers
    size = headers.get("content-length", "")
    return {
        "bucket": bucket,
        "key": key,
        "size": int(size) if size.isdigit() else None,
        "etag": headers.get("etag", "").strip('"'),
        "content_type": headers.get("content-type", ""),
        "last_modified": headers.get("last-modified", ""),
        "metadata": metadata(headers),
    }


def metadata(headers: Mapping[str, str]) -> JsonObject:
    """What whoever stored an object said of it."""
    return {
        name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)
    }


def metadata_headers(said: Mapping[str, str]) -> Mapping[str, str]:
    """The same as headers."""
    return {f"{_META}{name.lower()}": value for name, value in said.items()}


def listed(answer: Any) -> tuple[Sequence[JsonObject], str]:
    """A page of a list, and what asks for the next one; empty when there is none.

    Raises:
        NodeError: It is no list.
    """
    try:
        page = _READING.read(answer if isinstance(answer, str) else "")["ListBucketResult"]
    except (BadXml, KeyError, TypeError, ValueError) as error:
        raise NodeError(Failed("bad_response", "S3 answered no list.")) from error
    rows = cast("JsonObject", page) if isinstance(page, dict) else {}
    found = [*_objects(rows), *_prefixes(rows)]
    return found, _first(rows, "NextContinuationToken")


def _objects(page: JsonObject) -> Iterator[JsonObject]:
    for row in page.get("Contents", []):
        size = _first(row, "Size")
        yield {
            "key": unquote(_first(row, "Key")),
            "size": int(size) if size.isdigit() else None,
            "etag": _first(row, "ETag").strip('"'),
            "last_modified": _first(row, "LastModified"),
            "storage_class": _first(row, "StorageClass"),
        }


def _prefixes(page: JsonObject) -> Iterator[JsonObject]:
    for row in page.get("CommonPrefixes", []):
        yield {"prefix": unquote(_first(row, "Prefix"))}


def _first(row: Any, name: str) -> str:
    found: Any = cast("JsonObject", row).get(name) if isinstance(row, dict) else None
    texts = cast("list[Any]", found) if isinstance(found, list) else []
    return str(texts[0]) if texts else ""

"""Signatures of requests to AWS and whatever speaks like it: version 4, as botocore makes them.

Loading botocore takes a while, and few workflows need it: whoever signs loads this module then, by
its name (`credentials/aws_access_key.py`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from engine_service.sdk.node import BodyStream, HttpRequest

DATE, CONTENT = "x-amz-date", "x-amz-content-sha256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_FORMAT = "%Y%m%dT%H%M%SZ"
_Auth: Any = SigV4Auth
_OF_THE_SIGNATURE = frozenset({"authorization", "x-amz-security-token"})


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, for which service and region."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    region: str
    service: str = "s3"

    def at(self, url: str) -> "Signer":
        """Who signs a request there: a host of AWS says for which service and region that is."""
        service, region = _place_of(url)
        return replace(self, service=service or self.service, region=region or self.region)

    def sign(self, request: HttpRequest, now: datetime) -> HttpRequest:
        """The request with its signature.

        It is as of `x-amz-date`, which is put on where it is not yet. What `x-amz-content-sha256`
        says of the content is believed; a stream about which nothing is said is not signed.
        """
        said = {name.lower(): value for name, value in request.headers.items()}
        kept = {name: value for name, value in said.items() if name not in _OF_THE_SIGNATURE}
        kept.setdefault(DATE, now.strftime(_FORMAT))
        kept.setdefault(CONTENT, _digest(request.body))
        signed: Any = AWSRequest(request.method.upper(), request.url, dict(kept))
        signed.context["timestamp"] = kept[DATE]
        auth = _S3Auth if self.service == "s3" else _HeaderAuth
        made: Any = auth(self._credentials(), self.service, self.region)
        made.add_auth(signed)
        headers = {name.lower(): str(value) for name, value in signed.headers.items()}
        return replace(request, headers=headers)

    def link(self, method: str, url: str, seconds: int) -> str:
        """An address under which whoever has it may do one thing, for so many seconds."""
        request: Any = AWSRequest(method, url)
        made: Any = S3SigV4QueryAuth(self._credentials(), self.service, self.region, seconds)
        made.add_auth(request)
        return str(request.url)

    def _credentials(self) -> Credentials:
        return Credentials(self.key_id, self.secret, self.token or None)


class _HeaderAuth(_Auth):
    """Signs as of a moment that is given, and with the content's digest that is there."""

    def add_auth(self, request: Any) -> None:
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)

    def payload(self, request: Any) -> str:
        return str(request.headers[CONTENT])


class _S3Auth(_HeaderAuth):
    """Signs paths as they go over the wire, which have been percent-encoded once."""

    def _normalize_url_path(self, path: str) -> str:
        return path or "/"


def _place_of(url: str) -> tuple[str, str]:
    """The service and the region that a host of AWS says, empty where it does not."""
    host = urlsplit(url).hostname or ""
    for end in (".amazonaws.com", ".amazonaws.com.cn"):
        if host.endswith(end):
            names = host.removesuffix(end).split(".")
            if "s3" in names:
                return "s3", "".join(names[names.index("s3") + 1 :][-1:])
            return names[-2 if len(names) > 1 else 0], names[-1] if len(names) > 1 else ""
    return "", ""


def _digest(body: bytes | BodyStream | None) -> str:
    return UNSIGNED if isinstance(body, BodyStream) else sha256(body or b"").hexdigest()

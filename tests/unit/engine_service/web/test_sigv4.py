"""Signatures as AWS's documentation of Signature Version 4 shows them, and where they are for."""

from datetime import UTC, datetime

import pytest

from engine_service.sdk.node import HttpRequest
from engine_service.web.sigv4 import Signer

DAY = datetime(2013, 5, 24, tzinfo=UTC)
SIGNER = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "us-east-1")


@pytest.mark.parametrize(
    ("path", "headers", "signature"),
    [
        (
            "/test.txt",
            {"Range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
        (
            "/?lifecycle",
            {},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
    ],
)
def test_a_signature_is_that_of_the_documentation(
    path: str, headers: dict[str, str], signature: str
) -> None:
    request = HttpRequest("GET", f"https://examplebucket.s3.amazonaws.com{path}", headers)
    signed = SIGNER.at(request.url).sign(request, DAY)
    assert signed.headers["authorization"].endswith(f"Signature={signature}")
    assert SIGNER.sign(signed, datetime.now(UTC)) == signed


@pytest.mark.parametrize(
    ("url", "service", "region"),
    [
        ("https://b.s3.eu-west-1.amazonaws.com/k", "s3", "eu-west-1"),
        ("https://s3.eu-west-1.amazonaws.com/b/k", "s3", "eu-west-1"),
        ("https://b.s3.amazonaws.com/k", "s3", "us-east-1"),
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "sqs", "eu-west-1"),
        ("https://abc.execute-api.eu-west-1.amazonaws.com/x", "execute-api", "eu-west-1"),
        ("https://iam.amazonaws.com/", "iam", "us-east-1"),
        ("https://s3.example.com/b/k", "s3", "us-east-1"),
    ],
)
def test_a_host_of_aws_says_for_what_it_is_signed(url: str, service: str, region: str) -> None:
    signer = SIGNER.at(url)
    assert (signer.service, signer.region) == (service, region)


def test_a_temporary_key_sends_its_token() -> None:
    signer = Signer("AKIA", "secret", "token", "us-east-1")
    signed = signer.sign(HttpRequest("GET", "https://b.s3.amazonaws.com/k"), DAY)
    assert signed.headers["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in signed.headers["authorization"]
    assert "secret" not in repr(signer)

"""`data.crypto`: known fingerprints, signatures that verify, and chance."""

import base64
import re
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from engine_service.nodes.data_crypto import DataCrypto
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, run_action, services

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


async def outcome_of(parameters: JsonObject) -> Done:
    what = given(DataCrypto, parameters, items({"kept": 1}))
    outcome = await run_action(DataCrypto, what, services())
    assert isinstance(outcome, Done)
    return outcome


async def computed(**parameters: object) -> str:
    outcome = await outcome_of(parameters)
    assert outcome.outputs["main"][0]["json"]["kept"] == 1
    return outcome.outputs["main"][0]["json"]["data"]


def pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha3_256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ],
)
async def test_hashes(algorithm: str, expected: str) -> None:
    assert await computed(value="abc", algorithm=algorithm) == expected
    found = await computed(value="abc", algorithm=algorithm, encoding="base64")
    assert base64.b64decode(found).hex() == expected


async def test_hmacs() -> None:
    found = await computed(operation="hmac", value="what do ya want for nothing?", secret="Jefe")
    assert found == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


async def test_signatures_verify() -> None:
    key = rsa.generate_private_key(65537, 2048)
    found = await computed(operation="sign", value="abc", private_key=pem(key))
    key.public_key().verify(bytes.fromhex(found), b"abc", padding.PKCS1v15(), hashes.SHA256())
    curve = ec.generate_private_key(ec.SECP256R1())
    found = await computed(operation="sign", value="abc", private_key=pem(curve))
    curve.public_key().verify(bytes.fromhex(found), b"abc", ec.ECDSA(hashes.SHA256()))
    edwards = ed25519.Ed25519PrivateKey.generate()
    found = await computed(operation="sign", value="abc", private_key=pem(edwards))
    edwards.public_key().verify(bytes.fromhex(found), b"abc")


async def test_a_key_that_is_none_fails_the_item() -> None:
    outcome = await outcome_of({"operation": "sign", "value": "abc", "private_key": "no key"})
    assert [failure.code for failure in outcome.failures] == ["cannot_sign"]


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("hex", r"[0-9a-f]{15}"), ("base64", r"[A-Za-z0-9+/=]{15}"), ("letters", r"[A-Za-z0-9]{15}")],
)
async def test_random_values_have_their_length_and_differ(kind: str, pattern: str) -> None:
    found = {await computed(operation="random", kind=kind, length=15) for _ in range(20)}
    assert len(found) == 20
    assert all(re.fullmatch(pattern, each) for each in found)


async def test_a_uuid() -> None:
    assert UUID(await computed(operation="random")).version == 4


async def test_the_field_may_be_deep() -> None:
    outcome = await outcome_of({"value": "abc", "algorithm": "md5", "to": "a.b"})
    assert outcome.outputs["main"][0]["json"]["a"]["b"].startswith("9001")

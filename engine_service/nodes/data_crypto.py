"""`data.crypto`: hashes, signs, and makes random values."""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, JsonValue

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.field_types import to_text
from engine_service.values.fields import FieldNames
from shared.workflow import Item, JsonObject

Operation = Literal["hash", "hmac", "random", "sign"]
Algorithm = Literal[
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512",
    "sha3_224", "sha3_256", "sha3_384", "sha3_512",
]  # fmt: skip
_WRITE_ONLY: dict[str, JsonValue] = {"writeOnly": True}
_SIGNING: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "md5": hashes.MD5,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
    "sha3_224": hashes.SHA3_224,
    "sha3_256": hashes.SHA3_256,
    "sha3_384": hashes.SHA3_384,
    "sha3_512": hashes.SHA3_512,
}
_SAMPLE = {"random": "a random value", "sign": "a signature"}


class CryptoParameters(NodeParameters):
    """What to compute, from what, and where it goes."""

    operation: Operation = Field(
        default="hash",
        description="`hash` of a value, `hmac` of a value with a secret, `random` value, or `sign` "
        "a value with a private key",
    )
    value: Any = Field(
        default=None, description="For hash, hmac and sign: the text; other values as JSON"
    )
    algorithm: Algorithm = Field(
        default="sha256", description="For hash, hmac and sign: the hash function"
    )
    secret: str = Field(
        default="",
        max_length=10_000,
        json_schema_extra=_WRITE_ONLY,
        description="For hmac: the secret",
    )
    private_key: str = Field(
        default="",
        max_length=20_000,
        json_schema_extra=_WRITE_ONLY,
        description="For sign: the private key (RSA, EC or Ed25519) as PEM text",
    )
    encoding: Literal["hex", "base64", "base64url"] = Field(
        default="hex", description="How the result of hash, hmac and sign is written"
    )
    kind: Literal["uuid", "hex", "base64", "letters"] = Field(
        default="uuid",
        description="For random: a UUID, or a text of hexadecimal digits, of signs of base64, or "
        "of letters and digits",
    )
    length: int = Field(
        default=32, ge=1, le=10_000, description="For random, unless a UUID: how many signs"
    )
    to: str = Field(default="data", min_length=1, description="The field for the result")


class Unsignable(ValueError):
    """The value cannot be signed with this key."""


class DataCrypto(ActionNode[CryptoParameters]):
    """Hashes or signs values, and makes random ones such as UUIDs.

    - `hash`: a fingerprint of a value. MD5 and SHA-1 are there for others that ask for them; they
      protect nothing.
    - `hmac`: a fingerprint that only who knows the secret can make, as webhooks sign with.
    - `sign`: a signature with a private key; RSA keys sign as PKCS#1 v1.5 does.
    - `random`: a UUID or a random text, unpredictable enough for tokens.

    The result goes to the field `to` of each item; its other fields stay. Secrets and keys belong
    in expressions or credentials rather than in the workflow.
    """

    Parameters = CryptoParameters
    type = "data.crypto"
    title = "Crypto"
    effect = Effect.READ  # chance is not computed again after a crash, so results are journalled
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "hash", "value": "{{ $json.email }}", "to": "email_hash"},
        {
            "operation": "hmac",
            "value": "{{ JSON.stringify($json) }}",
            "secret": "{{ $json.name }}",
            "encoding": "base64",
            "to": "signature",
        },
        {"operation": "random", "kind": "uuid", "to": "id"},
    )
    keywords = (
        "hash", "hmac", "sign", "uuid", "random", "sha256", "md5", "encrypt", "token", "checksum",
        "哈希", "签名", "随机", "加密",
    )  # fmt: skip

    async def run(self, given: NodeInput[CryptoParameters], services: Services) -> Outcome:
        del services
        return _computed(given, _compute)

    def plan(self, parameters: CryptoParameters) -> str:
        told = parameters.kind if parameters.operation == "random" else parameters.algorithm
        return f"Compute {parameters.operation} ({told}) into {parameters.to}"

    def sample(self, given: NodeInput[CryptoParameters]) -> Done:
        return _computed(given, lambda each: _SAMPLE.get(each.operation) or _compute(each))

    @classmethod
    def check(cls, parameters: CryptoParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation == "hmac" and not parameters.secret:
            return [("/secret", "missing", "An hmac needs a secret.")]
        if parameters.operation == "sign" and not parameters.private_key:
            return [("/private_key", "missing", "Signing needs a private key.")]
        return []


def _computed(
    given: NodeInput[CryptoParameters], compute: Callable[[CryptoParameters], str]
) -> Done:
    made: list[Item] = []
    failures: list[ItemFailure] = []
    for index, item in enumerate(given.items):
        parameters = given.parameters_for(index)
        try:
            fields = dict(item["json"])
            FieldNames().put(fields, parameters.to, compute(parameters))
            made.append({**item, "json": fields, "paired_item": index})
        except Unsignable as error:
            failures.append(ItemFailure(index, "cannot_sign", str(error)))
    return Done({MAIN: made}, failures)


def _compute(parameters: CryptoParameters) -> str:
    if parameters.operation == "random":
        return _random(parameters)
    data = to_text("" if parameters.value is None else parameters.value).encode(errors="replace")
    match parameters.operation:
        case "hash":
            made = hashlib.new(parameters.algorithm, data, usedforsecurity=False).digest()
        case "hmac":
            made = hmac.digest(parameters.secret.encode(), data, parameters.algorithm)
        case "sign":
            made = _sign(data, parameters)
    return _encoded(made, parameters.encoding)


def _encoded(data: bytes, encoding: str) -> str:
    if encoding == "hex":
        return data.hex()
    if encoding == "base64url":
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    return base64.b64encode(data).decode()


def _random(parameters: CryptoParameters) -> str:
    length = parameters.length
    match parameters.kind:
        case "uuid":
            return str(uuid.uuid4())
        case "hex":
            return secrets.token_hex(length)[:length]
        case "base64":
            return base64.b64encode(secrets.token_bytes(length)).decode()[:length]
        case "letters":
            letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
            return "".join(secrets.choice(letters) for _ in range(length))


def _sign(data: bytes, parameters: CryptoParameters) -> bytes:
    algorithm = _SIGNING[parameters.algorithm]()
    try:
        key = load_pem_private_key(parameters.private_key.strip().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unsignable("the private key is not PEM, or needs a passphrase") from error
    try:
        match key:
            case rsa.RSAPrivateKey():
                return key.sign(data, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePrivateKey():
                return key.sign(data, ec.ECDSA(algorithm))
            case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
                return key.sign(data)
            case _:
                raise Unsignable("this kind of key does not sign")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unsignable(f"the key cannot sign with {parameters.algorithm}: {error}") from error

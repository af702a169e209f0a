"""The keys that sign access tokens: P-256, kept sealed in the database, or given as a setting.

The newest key that this process can open signs; every stored key verifies, so that replicas and
tokens from before a rotation agree. A private key is sealed with the mesh secret: a copy of the
database alone signs nothing.
"""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import bindparam

from gateway.jws import Header, Key, read_keys
from shared.database import Database

_RELOAD_SECONDS = 1.0
_SELECT = text("SELECT private_pem, public_jwk FROM gateway.signing_keys ORDER BY created_at DESC")
_INSERT = text("""
INSERT INTO gateway.signing_keys (kid, private_pem, public_jwk, created_at)
VALUES (:kid, :private_pem, :public_jwk, now())
""").bindparams(bindparam("public_jwk", type_=JSONB))
# Two gateways that start at once agree on one key.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('gateway.signing_keys'))")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and how its public half is published."""

    private: EllipticCurvePrivateKey
    public_jwk: dict[str, Any]

    @property
    def kid(self) -> str:
        return self.public_jwk["kid"]


class SigningKeys:
    """The issuer's keys; `open` makes one.

    Args:
        signing: The key that signs.
        published: Every key that verifies.
    """

    def __init__(
        self, database: Database | None, signing: SigningKey, published: Sequence[dict[str, Any]]
    ) -> None:
        self._database = database
        self._signing = signing
        self._published = list(published)
        self._keys = tuple(read_keys({"keys": self._published}))
        self._loaded_at = -_RELOAD_SECONDS

    @classmethod
    async def open(cls, database: Database, mesh_secret: str, given: str | None) -> "SigningKeys":
        """Load the keys; the first gateway ever makes one.

        Raises:
            ValueError: The key that is given as a setting is no P-256 private key.
        """
        if given is not None:
            # An environment file often spells the line ends.
            signing = _from_pem(given.replace("\\n", "\n").encode(), None)
            return cls(None, signing, [signing.public_jwk])
        passphrase = sha256(f"signing keys:{mesh_secret}".encode()).digest()
        async with database.transaction() as connection:
            await connection.execute(_LOCK)
            rows = (await connection.execute(_SELECT)).all()
            published = [row.public_jwk for row in rows]
            signing = _first_opened([row.private_pem for row in rows], passphrase)
            if signing is None:
                signing = _describe(generate_private_key(SECP256R1()))
                values = {
                    "kid": signing.kid,
                    "private_pem": _seal(signing.private, passphrase),
                    "public_jwk": signing.public_jwk,
                }
                await connection.execute(_INSERT, values)
                published.insert(0, signing.public_jwk)
        return cls(database, signing, published)

    def sign(self, claims: dict[str, Any]) -> str:
        """Claims as a signed token."""
        headers = {"kid": self._signing.kid}
        return jwt.encode(claims, self._signing.private, algorithm="ES256", headers=headers)

    def publish(self) -> dict[str, Any]:
        """The keys as a JWK set."""
        return {"keys": self._published}

    async def find_keys(self, header: Header) -> Sequence[Key]:
        """The keys that verify; those of other gateways are looked up when one is not known."""
        unseen = all(key.kid != header.kid for key in self._keys)
        if unseen and self._database and time.monotonic() - self._loaded_at > _RELOAD_SECONDS:
            self._loaded_at = time.monotonic()
            async with self._database.transaction() as connection:
                rows = (await connection.execute(_SELECT)).all()
            self._published = [row.public_jwk for row in rows]
            self._keys = tuple(read_keys({"keys": self._published}))
        return self._keys


def _first_opened(sealed: Sequence[str], passphrase: bytes) -> SigningKey | None:
    for pem in sealed:
        try:
            return _from_pem(pem.encode(), passphrase)
        except ValueError:  # sealed under another mesh secret
            continue
    return None


def _from_pem(pem: bytes, passphrase: bytes | None) -> SigningKey:
    private = load_pem_private_key(pem, passphrase)
    if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(private.curve, SECP256R1):
        raise ValueError("The signing key must be a P-256 private key.")
    return _describe(private)


def _seal(private: EllipticCurvePrivateKey, passphrase: bytes) -> str:
    encryption = BestAvailableEncryption(passphrase)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def _describe(private: EllipticCurvePrivateKey) -> SigningKey:
    """The key with its JWK; the key's id is its thumbprint (RFC 7638)."""
    numbers = private.public_key().public_numbers()
    point = {"crv": "P-256", "kty": "EC", "x": _base64(numbers.x), "y": _base64(numbers.y)}
    thumbprint = sha256(orjson.dumps(point)).digest()
    kid = base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")
    jwk = {**point, "kid": kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}
    return SigningKey(private, cast("dict[str, Any]", jwk))


def _base64(coordinate: int) -> str:
    return base64.urlsafe_b64encode(coordinate.to_bytes(32, "big")).decode().rstrip("=")

"""Signed tokens (JWS, RFC 7515): read strictly, verified with keys that are fit for it.

Three algorithms, each bound to its kind of key: ES256, RS256, HS256. A key is never used with an
algorithm that it does not name or imply, so a token cannot choose how it is checked; keys and
addresses that a token brings along are never looked at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast

import jwt
import orjson
from cryptography.exceptions import InvalidKey, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import get_default_algorithms
from jwt.utils import base64url_decode

from shared.errors import AppError, Unauthenticated

Algorithm = Literal["ES256", "RS256", "HS256"]

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
_MAX_LENGTH = 16_384
_KINDS: Mapping[tuple[str, str], Algorithm] = {
    ("EC", "P-256"): "ES256",
    ("RSA", ""): "RS256",
    ("oct", ""): "HS256",
}
_MIN_SECRET_BYTES = 32
_MIN_RSA_BITS = 2048
# Moduli made by the ROCA-vulnerable library lie in the group that 65537 generates modulo each of
# these primes (CVE-2017-15361); a good modulus does so with a probability of about 2 ** -27.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ALGORITHMS = get_default_algorithms()
_VERIFIER = jwt.PyJWS()


class BadToken(Unauthenticated):
    """The token is malformed, forged, or not meant for us."""

    reason = "TOKEN_INVALID"


class UnfitKey(AppError):
    """A key that must not be used to check signatures."""

    reason = "KEY_UNFIT"


@dataclass(frozen=True, slots=True)
class Key:
    """A key for checking signatures, and the one algorithm it serves."""

    algorithm: Algorithm
    kid: str
    material: Any


@dataclass(frozen=True, slots=True)
class Header:
    """What an unverified token says of its signature."""

    algorithm: Algorithm
    kid: str


def read_header(token: str) -> Header:
    """What a token claims, before anything is checked.

    Raises:
        BadToken: It is not a compact JWS, or asks for what we do not do.
    """
    if len(token) > _MAX_LENGTH or not (parts := _COMPACT.fullmatch(token)):
        raise BadToken("The token is malformed.")
    if not all(_is_canonical(part) for part in parts.groups()):
        raise BadToken("The token is malformed.")
    try:
        header: object = orjson.loads(base64url_decode(parts[1]))
    except ValueError as error:
        raise BadToken("The token's header is malformed.") from error
    if not _is_object(header) or not isinstance(header.get("kid", ""), str):
        raise BadToken("The token's header is malformed.")
    if "crit" in header or "b64" in header:
        raise BadToken("The token needs an extension that is not supported.")
    algorithm = header.get("alg")
    if algorithm not in _KINDS.values():
        raise BadToken("The token is signed in a way that is not accepted.")
    return Header(cast("Algorithm", algorithm), header.get("kid", ""))


def read_payload(token: str) -> bytes:
    """What a token that `read_header` accepted says, before anything is checked."""
    return base64url_decode(token.split(".")[1])


def verify(token: str, header: Header, keys: Iterable[Key]) -> bytes:
    """The payload, if one of the keys has signed it.

    Keys that the token names by `kid` are tried, or all when either side names none.

    Raises:
        BadToken: None has.
    """
    for key in keys:
        if key.algorithm != header.algorithm or (key.kid and header.kid and key.kid != header.kid):
            continue
        try:
            verified = _VERIFIER.decode_complete(token, key.material, algorithms=[key.algorithm])
        except jwt.PyJWTError:
            continue
        return verified["payload"]
    raise BadToken("The token's signature is not valid.")


def read_keys(key_set: object) -> list[Key]:
    """The keys of a JWK set that may check signatures; the unfit among them are left out.

    Raises:
        UnfitKey: The set is malformed, names a key twice, or mixes secrets with public keys.
    """
    entries: object = key_set.get("keys") if _is_object(key_set) else None
    if not isinstance(entries, list):
        raise UnfitKey("The key set is malformed.")
    keys: list[Key] = []
    for entry in cast("list[object]", entries):
        try:
            keys.append(read_key(entry))
        except UnfitKey:
            continue
    kids = [key.kid for key in keys]
    if len(set(kids)) != len(kids):
        raise UnfitKey("The key set names a key twice.")
    if len({key.algorithm == "HS256" for key in keys}) > 1:
        raise UnfitKey("The key set mixes secrets with public keys.")
    return keys


def read_key(jwk: object) -> Key:
    """A key from its JWK.

    Raises:
        UnfitKey: It is malformed, too weak, or meant for something else.
    """
    if not _is_object(jwk):
        raise UnfitKey("The key is malformed.")
    algorithm = _KINDS.get((str(jwk.get("kty")), str(jwk.get("crv", ""))))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        raise UnfitKey("The key is of a kind that is not used here.")
    operations: Sequence[object] = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or "verify" not in operations:
        raise UnfitKey("The key is not meant for checking signatures.")
    try:
        material = _ALGORITHMS[algorithm].from_jwk(dict(jwk))
    except (jwt.InvalidKeyError, InvalidKey, UnsupportedAlgorithm, ValueError, KeyError) as error:
        raise UnfitKey("The key is malformed.") from error
    return fit_key(algorithm, str(jwk.get("kid", "")), material)


def fit_key(algorithm: Algorithm, kid: str, material: Any) -> Key:
    """A key from what it is made of.

    Raises:
        UnfitKey: It is too weak.
    """
    if isinstance(material, bytes) and len(material) < _MIN_SECRET_BYTES:
        raise UnfitKey("The secret is shorter than 256 bits.")
    if isinstance(material, RSAPublicKey) and (
        material.key_size < _MIN_RSA_BITS or _is_roca(material.public_numbers().n)
    ):
        raise UnfitKey("The RSA key is too weak.")
    return Key(algorithm, kid, material)


def _is_roca(modulus: int) -> bool:
    return all(
        modulus % prime in {pow(65537, power, prime) for power in range(prime - 1)}
        for prime in _ROCA_PRIMES
    )


def _is_canonical(part: str) -> bool:
    """Whether base64url text is the one spelling of its bytes: no stray bits at its end."""
    spare = len(part) % 4
    if spare == 0:
        return True
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return spare != 1 and alphabet.index(part[-1]) % (16 if spare == 2 else 4) == 0


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)

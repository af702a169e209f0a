"""Access tokens: RFC 7515's own examples, and every trick that is played with tokens."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.auth import Authenticator, Authority
from gateway.jws import BadToken, fit_key, read_header, verify
from gateway.key_sources import SharedSecret
from shared.clock import ManualClock
from shared.errors import Unauthenticated
from shared.identity import Role

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "jwt_rfc7515.json"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = "https://project.example/auth/v1"
SECRET = "a secret of more than thirty-two characters"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


class Keys:
    """An authority that publishes an EC and an RSA key."""

    async def find_keys(self, header: Any) -> Any:
        return [
            fit_key("ES256", "ec", EC_KEY.public_key()),
            fit_key("RS256", "rsa", RSA_KEY.public_key()),
        ]


AUTHENTICATOR = Authenticator([Authority(ISSUER, Keys())], ManualClock(NOW))


def claims(**more: Any) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "sub": "u1",
        "aud": "authenticated",
        "exp": NOW.timestamp() + 60,
        "email": "ada@example.com",
        **more,
    }


def sign(payload: Mapping[str, Any], key: Any = EC_KEY, alg: str = "ES256", **header: Any) -> str:
    return jwt.encode(dict(payload), key, algorithm=alg, headers={"kid": "ec", **header})


def unsigned(header: Mapping[str, Any], signature: str = "") -> str:
    parts = [json.dumps(part).encode() for part in (header, claims())]
    return ".".join([*(encode(part) for part in parts), signature])


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def public_pem() -> bytes:
    return EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def confused() -> str:
    """A token signed with the public key, as if it were a secret."""
    header = encode(json.dumps({"alg": "HS256", "kid": "ec", "typ": "JWT"}).encode())
    body = encode(json.dumps(claims()).encode())
    mac = hmac.new(public_pem(), f"{header}.{body}".encode(), hashlib.sha256).digest()
    return f"{header}.{body}.{encode(mac)}"


async def check(token: str) -> Any:
    return await AUTHENTICATOR.authenticate(f"Bearer {token}")


@pytest.mark.parametrize(
    "token",
    [
        sign(claims()),
        sign(claims(), RSA_KEY, "RS256", kid="rsa"),
        sign(claims(aud=["other", "authenticated"])),
        sign(claims(nbf=NOW.timestamp() + 5)),  # clocks differ a little
    ],
)
async def test_a_good_token_is_accepted(token: str) -> None:
    assert (await check(token)).sub == "u1"


@pytest.mark.parametrize(
    ("trick", "token"),
    {
        "nothing": "",
        "words": "not a token",
        "two parts": "a.b",
        "five parts": "a.b.c.d.e",
        "very long": "a" * 20_000,
        "not signed": unsigned({"alg": "none"}),
        "not signed, spelt oddly": unsigned({"alg": "nOnE"}),
        "not signed, with a signature": unsigned({"alg": "none"}, "AAAA"),
        "no algorithm": unsigned({"typ": "JWT"}, "AAAA"),
        "an algorithm that is no name": unsigned({"alg": ["ES256"]}, "AAAA"),
        "a header that is no object": f"{encode(b'[]')}.{encode(b'{}')}.AAAA",
        "a header that is no JSON": f"{encode(b'{')}.{encode(b'{}')}.AAAA",
        "a payload that is no object": sign(claims()).split(".")[0] + f".{encode(b'[]')}.AAAA",
        "the public key as secret": confused(),
        "a secret nobody shares": sign(claims(), SECRET, "HS256"),
        "another key": sign(claims(), OTHER_EC_KEY),
        "another key under an unknown name": sign(claims(), OTHER_EC_KEY, kid="mine"),
        "a name that walks": sign(claims(), OTHER_EC_KEY, kid="../../dev/null"),
        "a name that injects": sign(claims(), OTHER_EC_KEY, kid="' OR 1=1 --"),
        "a name that is a list": unsigned({"alg": "ES256", "kid": ["ec"]}, "AAAA"),
        "the right name for the wrong kind of key": sign(claims(), RSA_KEY, "RS256", kid="ec"),
        "its own key": sign(claims(), OTHER_EC_KEY, jwk={"kty": "EC", "crv": "P-256"}),
        "its own key's address": sign(claims(), OTHER_EC_KEY, jku="https://evil.example/jwks"),
        "its own certificate": sign(claims(), OTHER_EC_KEY, x5u="https://evil.example/cert"),
        "a critical extension": sign(claims(), crit=["exp"]),
        "an unencoded payload": sign(claims(), b64=False),
        "a changed payload": sign(claims()).replace(
            sign(claims()).split(".")[1], encode(json.dumps(claims(sub="u2")).encode())
        ),
        "no signature": sign(claims()).rpartition(".")[0] + ".",
        "another issuer": sign(claims(iss="https://evil.example")),
        "no issuer": sign({name: value for name, value in claims().items() if name != "iss"}),
        "another audience": sign(claims(aud="anon")),
        "no audience": sign({name: value for name, value in claims().items() if name != "aud"}),
        "no subject": sign({name: value for name, value in claims().items() if name != "sub"}),
        "an empty subject": sign(claims(sub="")),
        "no expiry": sign({name: value for name, value in claims().items() if name != "exp"}),
        "an expiry in words": sign(claims(exp=NOW.timestamp() + 60)).split(".")[0]
        + f".{encode(json.dumps(claims(exp='never')).encode())}.AAAA",
        "not yet valid": sign(claims(nbf=NOW.timestamp() + 3600)),
        "a role that is none": sign(claims(app_metadata={"tenant_role": "emperor"})),
        "a tenant that is no text": sign(claims(app_metadata={"tenant_id": {"$ne": ""}})),
    }.items(),
    ids=lambda value: value if " " in value or value.isalpha() else "token",
)
async def test_a_bad_token_is_refused(trick: str, token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await check(token)
    assert caught.value.code == "TOKEN_INVALID"


@pytest.mark.parametrize("age", [0, 1, 10**9])
async def test_an_expired_token_says_that_it_was_good_once(age: int) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await check(sign(claims(exp=NOW.timestamp() - age)))
    assert caught.value.code == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    ("header", "code"),
    [(None, "TOKEN_MISSING"), ("", "TOKEN_MISSING"), ("Basic YTpi", "TOKEN_INVALID")],
)
async def test_without_a_bearer_token_there_is_no_caller(header: str | None, code: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await AUTHENTICATOR.authenticate(header)
    assert caught.value.code == code


async def test_a_caller_is_a_tenant_of_their_own_unless_assigned_to_another() -> None:
    alone = (await check(sign(claims()))).principal()
    assert (alone.tenant_id, alone.subject, alone.role) == ("u1", "u1", Role.OWNER)
    assigned = {"tenant_id": "ten_x", "tenant_role": "viewer"}
    member = (await check(sign(claims(app_metadata=assigned)))).principal()
    assert (member.tenant_id, member.subject, member.role) == ("ten_x", "u1", Role.VIEWER)


async def test_what_users_say_of_themselves_assigns_no_tenant() -> None:
    told = {"user_metadata": {"tenant_id": "ten_x"}, "tenant_id": "ten_x"}
    assert (await check(sign(claims(**told)))).principal().tenant_id == "u1"


async def test_a_shared_secret_verifies_tokens_of_its_project() -> None:
    shared = SharedSecret(fit_key("HS256", "", SECRET.encode()))
    authenticator = Authenticator([Authority("", shared)], ManualClock(NOW))
    token = sign(claims(), SECRET, "HS256")
    assert (await authenticator.authenticate(f"bearer {token}")).sub == "u1"
    # The project's own API keys are signed with the same secret; they are nobody.
    anonymous = {"iss": "supabase", "role": "anon", "exp": NOW.timestamp() + 60}
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {sign(anonymous, SECRET, 'HS256')}")


@pytest.mark.skipif(not DATA.exists(), reason=f"the vectors are not here: {DATA}")
def test_the_examples_of_the_standard() -> None:
    rows: dict[str, dict[str, Any]] = json.loads(DATA.read_text())
    for row in rows.values():
        if row["valid"]:
            secret = base64.urlsafe_b64decode(row["k"] + "=" * (-len(row["k"]) % 4))
            key = fit_key("HS256", "", secret)
            payload = verify(row["jws"], read_header(row["jws"]), [key])
            assert json.loads(payload)["exp"] == 1_300_819_380
        else:
            with pytest.raises(BadToken):
                read_header(row["jws"])
    assert len(rows) == 2

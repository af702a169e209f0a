"""Tokens of a Supabase project: checked here, with its published keys or its secret."""

import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.jws import BadToken, Header, read_header, verify
from gateway.key_sources import PublishedKeys
from shared.errors import Unavailable
from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.http_server import Answer, Server, serve
from tests.support.scripted_mesh import ScriptedMesh

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
STRANGER = ec.generate_private_key(ec.SECP256R1())


def jwks() -> dict[str, Any]:
    return {
        "keys": [
            ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True) | {"kid": "e", "alg": "ES256"},
            RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True) | {"kid": "r", "alg": "RS256"},
        ]
    }


@pytest.fixture(scope="module")
async def project() -> AsyncIterator[Server]:
    async with serve(lambda _: Answer.of_json(jwks())) as server:
        yield server


@pytest.fixture(scope="module")
async def trusting(
    postgres_url: str, redis_url: str, module_mesh: ScriptedMesh, project: Server
) -> AsyncIterator[Gateway]:
    settings = gateway_settings(
        postgres_url,
        redis_url,
        module_mesh.address,
        supabase_url=project.url,
        supabase_jwt_secret=SECRET,
    )
    async with serving(settings) as gateway:
        yield gateway


def token(project: Server, key: Any, algorithm: str, kid: str = "", **more: Any) -> str:
    claims = {
        "iss": f"{project.url}/auth/v1",
        "sub": "11111111-2222-3333-4444-555555555555",
        "aud": "authenticated",
        "role": "authenticated",
        "exp": int(time.time()) + 60,
        "email": "ada@example.com",
        **more,
    }
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(EC_KEY, "ES256", "e"), (RSA_KEY, "RS256", "r"), (SECRET, "HS256", "")],
    ids=["ES256", "RS256", "HS256"],
)
async def test_a_user_of_the_project_gets_in(
    trusting: Gateway, project: Server, mesh: ScriptedMesh, key: Any, algorithm: str, kid: str
) -> None:
    assigned = {"app_metadata": {"tenant_id": "ten_team", "tenant_role": "editor"}}
    async with trusting.client(token(project, key, algorithm, kid, **assigned)) as client:
        answer = await client.get("/v1/runs/run_1")
    assert answer.status_code == 200, answer.text
    principal = mesh.only("GetRun").call.principal
    assert principal is not None
    assert (principal.tenant_id, principal.role) == ("ten_team", "editor")
    assert principal.subject == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("key", "algorithm", "kid", "more"),
    [
        (STRANGER, "ES256", "e", {}),
        (STRANGER, "ES256", "unheard-of", {}),
        ("x" * 40, "HS256", "", {}),
        (EC_KEY, "ES256", "e", {"iss": "https://other.supabase.co/auth/v1"}),
        (EC_KEY, "ES256", "e", {"aud": "anon"}),
        (EC_KEY, "ES256", "e", {"exp": 1}),
        (SECRET, "HS256", "", {"sub": ""}),
    ],
)
async def test_nobody_else_does(
    trusting: Gateway,
    project: Server,
    mesh: ScriptedMesh,
    key: Any,
    algorithm: str,
    kid: str,
    more: dict[str, Any],
) -> None:
    async with trusting.client(token(project, key, algorithm, kid, **more)) as client:
        answer = await client.get("/v1/runs/run_1")
    assert answer.status_code == 401
    assert mesh.seen == []


async def test_users_of_the_built_in_issuer_get_in_beside_them(trusting: Gateway) -> None:
    login = await trusting.sign_up()
    async with trusting.client(login["access_token"]) as client:
        assert (await client.get("/v1/runs")).status_code == 200


async def test_keys_are_fetched_once_however_many_unknown_names_are_tried(project: Server) -> None:
    keys = PublishedKeys(f"{project.url}/auth/v1/.well-known/jwks.json")
    before = len(project.seen)
    for number in range(20):
        await keys.find_keys(Header("ES256", f"guess-{number}"))
    assert len(project.seen) == before + 1
    good = token(project, EC_KEY, "ES256", "e")
    assert verify(good, read_header(good), await keys.find_keys(read_header(good)))


async def test_a_set_that_publishes_a_secret_makes_nobody_a_user() -> None:
    oct_key = {"kty": "oct", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg", "alg": "HS256"}
    async with serve(lambda _: Answer.of_json({"keys": [oct_key]})) as careless:
        keys = PublishedKeys(careless.url)
        assert await keys.find_keys(Header("HS256", "")) == ()
        with pytest.raises(Unavailable):
            await keys.find_keys(Header("ES256", ""))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"keys": [1]}'])
async def test_while_the_keys_cannot_be_had_the_answer_is_to_come_again(body: bytes) -> None:
    async with serve(lambda _: Answer(body=body)) as broken:
        with pytest.raises(Unavailable):
            await PublishedKeys(broken.url).find_keys(Header("ES256", "e"))


async def test_an_authority_that_goes_away_is_believed_for_what_it_said(project: Server) -> None:
    answers = iter([Answer.of_json(jwks())])
    async with serve(lambda _: next(answers, Answer(status=500))) as failing:
        keys = PublishedKeys(failing.url)
        good = token(project, EC_KEY, "ES256", "e")
        await keys.find_keys(read_header(good))
        known = await keys.find_keys(Header("ES256", "new"))
        assert verify(good, read_header(good), known)
        forged = token(project, STRANGER, "ES256", "e")
        with pytest.raises(BadToken):
            verify(forged, read_header(forged), known)

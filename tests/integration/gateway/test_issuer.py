"""Sign up, sign in, stay signed in, sign out; and everybody who tries something else."""

import secrets
import uuid
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from shared.database import sqlalchemy_url
from tests.support.gateway import PASSWORD, Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


async def sign_in(client: httpx2.AsyncClient, email: str, password: str) -> httpx2.Response:
    body = {"email": email, "password": password}
    return await client.post("/auth/v1/token?grant_type=password", json=body)


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    body = {"refresh_token": token}
    return await client.post("/auth/v1/token?grant_type=refresh_token", json=body)


def bearer(login: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {login['access_token']}"}


async def test_who_signs_up_is_signed_in_and_found_again(anybody: httpx2.AsyncClient) -> None:
    email = new_email()
    body = {"email": email.upper(), "password": PASSWORD, "data": {"name": "Ada"}}
    up = (await anybody.post("/auth/v1/signup", json=body)).json()
    assert up["token_type"] == "bearer"
    assert up["user"]["email"] == email
    assert up["user"]["user_metadata"] == {"name": "Ada"}
    back = await sign_in(anybody, f" {email}", PASSWORD)
    assert back.json()["user"]["id"] == up["user"]["id"]
    user = await anybody.get("/auth/v1/user", headers=bearer(back.json()))
    assert user.json()["last_sign_in_at"] is not None


async def test_an_access_token_is_checked_with_the_published_keys(
    anybody: httpx2.AsyncClient, gateway: Gateway
) -> None:
    login = await gateway.sign_up()
    keys = (await anybody.get("/auth/v1/.well-known/jwks.json")).json()
    assert all("d" not in key for key in keys["keys"])
    [key] = jwt.PyJWKSet.from_dict(keys).keys
    claims = jwt.decode(
        login["access_token"],
        key,
        algorithms=["ES256"],
        audience="authenticated",
        issuer=f"{gateway.settings.public_url}/auth/v1",
    )
    assert claims["sub"] == login["user"]["id"]
    assert claims["exp"] - claims["iat"] == login["expires_in"]


@pytest.mark.parametrize(
    ("email", "password"), [("nobody@example.com", PASSWORD), (None, "wrong password")]
)
async def test_a_wrong_address_and_a_wrong_password_are_told_alike(
    anybody: httpx2.AsyncClient, gateway: Gateway, email: str | None, password: str
) -> None:
    known = (await gateway.sign_up())["user"]["email"]
    answer = await sign_in(anybody, email or known, password)
    problem = answer.json()
    assert answer.status_code == 400
    assert problem["error_code"] == "invalid_credentials"
    assert problem["msg"] == "Invalid login credentials"


@pytest.mark.parametrize(
    ("email", "password", "code", "status"),
    [
        ("not an address", PASSWORD, "email_address_invalid", 400),
        ("a@b@c", PASSWORD, "email_address_invalid", 400),
        (None, "short", "weak_password", 422),
    ],
)
async def test_what_cannot_be_an_account_is_refused(
    anybody: httpx2.AsyncClient, email: str | None, password: str, code: str, status: int
) -> None:
    body = {"email": email or new_email(), "password": password}
    answer = await anybody.post("/auth/v1/signup", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


async def test_an_address_has_one_account(anybody: httpx2.AsyncClient, gateway: Gateway) -> None:
    email = (await gateway.sign_up())["user"]["email"]
    body = {"email": email, "password": "another password"}
    answer = await anybody.post("/auth/v1/signup", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "user_already_exists")
    assert (await sign_in(anybody, email, PASSWORD)).status_code == 200


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_login(
    anybody: httpx2.AsyncClient, gateway: Gateway
) -> None:
    first = await gateway.sign_up()
    second = await refresh(anybody, first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    again = await refresh(anybody, first["refresh_token"])
    assert again.json()["error_code"] == "refresh_token_already_used"
    thief = await refresh(anybody, second.json()["refresh_token"])
    assert (thief.status_code, thief.json()["error_code"]) == (400, "refresh_token_not_found")
    user = await anybody.get("/auth/v1/user", headers=bearer(second.json()))
    assert (user.status_code, user.json()["error_code"]) == (403, "session_not_found")


async def test_a_reused_token_ends_only_its_own_login(
    anybody: httpx2.AsyncClient, gateway: Gateway
) -> None:
    first = await gateway.sign_up()
    other = (await sign_in(anybody, first["user"]["email"], PASSWORD)).json()
    await refresh(anybody, first["refresh_token"])
    await refresh(anybody, first["refresh_token"])
    assert (await refresh(anybody, other["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("scope", "mine", "others"), [("local", 403, 200), ("others", 200, 403), ("global", 403, 403)]
)
async def test_signing_out_ends_the_logins_of_its_scope(
    anybody: httpx2.AsyncClient, gateway: Gateway, scope: str, mine: int, others: int
) -> None:
    login = await gateway.sign_up()
    other = (await sign_in(anybody, login["user"]["email"], PASSWORD)).json()
    out = await anybody.post(f"/auth/v1/logout?scope={scope}", headers=bearer(login))
    assert out.status_code == 204
    statuses = [
        (await anybody.get("/auth/v1/user", headers=bearer(one))).status_code
        for one in (login, other)
    ]
    assert statuses == [mine, others]


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 300])
async def test_a_refresh_token_that_was_never_given_out_is_refused(
    anybody: httpx2.AsyncClient, token: str
) -> None:
    assert (await refresh(anybody, token)).status_code in {400, 422}


async def test_an_unknown_grant_is_refused(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.post("/auth/v1/token?grant_type=magic", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "unsupported_grant_type")


async def test_a_closed_issuer_lets_nobody_in_and_says_so(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(postgres_url, redis_url, mesh.address, gateway_signup="closed")
    async with serving(settings) as closed, closed.client() as client:
        body = {"email": new_email(), "password": PASSWORD}
        answer = await client.post("/auth/v1/signup", json=body)
        assert answer.json()["error_code"] == "signup_disabled"
        assert (await client.get("/auth/v1/settings")).json()["disable_signup"] is True


async def test_a_second_gateway_accepts_what_the_first_has_signed(
    gateway: Gateway, postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    login = await gateway.sign_up()
    async with serving(gateway.settings) as second, second.client(login["access_token"]) as client:
        assert (await client.get("/v1/runs")).status_code == 200


async def test_a_new_mesh_secret_makes_a_new_key_and_the_old_tokens_still_verify(
    gateway: Gateway, postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    login = await gateway.sign_up()
    settings = gateway.settings.model_copy(update={"mesh_secret": SecretStr("t" * 32)})
    async with serving(settings) as rotated, rotated.client() as client:
        keys = (await client.get("/auth/v1/.well-known/jwks.json")).json()["keys"]
        assert len(keys) == 2
        user = await client.get("/auth/v1/user", headers=bearer(login))
        assert user.status_code == 200
        fresh = await rotated.sign_up()
    # The first gateway has not seen the new key yet, and looks it up.
    async with gateway.client(fresh["access_token"]) as client:
        assert (await client.get("/auth/v1/user")).status_code == 200


async def test_a_key_that_is_given_signs_and_is_published_alone(
    gateway: Gateway, postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings = gateway_settings(
        postgres_url, redis_url, mesh.address, gateway_signing_key=pem.replace("\n", "\\n")
    )
    async with serving(settings) as given, given.client() as client:
        login = await given.sign_up()
        [published] = (await client.get("/auth/v1/.well-known/jwks.json")).json()["keys"]
        assert (await client.get("/v1/runs", headers=bearer(login))).status_code == 200
    assert jwt.get_unverified_header(login["access_token"])["kid"] == published["kid"]
    jwt.decode(login["access_token"], key.public_key(), ["ES256"], audience="authenticated")


@pytest.mark.parametrize("role", ["flowloom_app", "flowloom_worker"])
@pytest.mark.parametrize("table", ["accounts", "logins", "refresh_tokens", "signing_keys"])
async def test_no_other_role_reads_what_the_issuer_keeps(
    gateway: Gateway, postgres_url: str, role: str, table: str
) -> None:
    engine = create_engine(sqlalchemy_url(postgres_url))
    with engine.connect() as connection:
        connection.execute(text(f"SET ROLE {role}"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"SELECT * FROM gateway.{table}"))
    engine.dispose()


async def test_row_level_security_is_forced_on_every_table(
    gateway: Gateway, postgres_url: str
) -> None:
    engine = create_engine(sqlalchemy_url(postgres_url))
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class "
                "WHERE relnamespace = 'gateway'::regnamespace AND relkind = 'r' "
                "AND relname <> 'alembic_version'"
            )
        ).all()
    engine.dispose()
    assert len(rows) == 4
    assert all(forced for _, forced in rows)


async def test_passwords_and_tokens_are_not_stored_as_they_are(
    anybody: httpx2.AsyncClient, gateway: Gateway, postgres_url: str
) -> None:
    login = await gateway.sign_up()
    engine = create_engine(sqlalchemy_url(postgres_url))
    with engine.connect() as connection:
        connection.execute(text("SET ROLE flowloom_issuer"))
        stored = " ".join(
            str(tuple(row))
            for table in ("accounts", "logins", "refresh_tokens", "signing_keys")
            for row in connection.execute(text(f"SELECT * FROM gateway.{table}"))
        )
    engine.dispose()
    assert login["user"]["email"] in stored
    assert "$argon2id$" in stored
    assert "BEGIN ENCRYPTED PRIVATE KEY" in stored
    assert PASSWORD not in stored
    assert login["refresh_token"] not in stored
    assert uuid.UUID(login["user"]["id"]).hex not in login["refresh_token"]


@pytest.mark.parametrize(
    "said",
    [b'"\\u0000"', b'"%s"' % (b"x" * 5000), b"[" * 300 + b"]" * 300],
    ids=["nul", "long", "deep"],
)
async def test_what_a_person_says_of_herself_must_fit_into_a_token(
    anybody: httpx2.AsyncClient, said: bytes
) -> None:
    body = b'{"email": "%s", "password": "12345678", "data": {"a": %s}}'
    answer = await anybody.post(
        "/auth/v1/signup",
        content=body % (new_email().encode(), said),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422

"""The clients people have: `supabase` for Python and `@supabase/supabase-js` for pages."""

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import supabase
from supabase_auth.errors import AuthApiError

from tests.support.gateway import PASSWORD, Gateway
from tests.support.scripted_mesh import ScriptedMesh

BROWSER = Path(__file__).resolve().parents[2] / "support" / "browser"
# Kept between sessions, so that only the first one installs.
PACKAGES = Path(tempfile.gettempdir()) / "flowloom-tests-supabase-js"
_INSTALL_SECONDS = 90


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[supabase.AsyncClient]:
    client = await supabase.acreate_client(gateway.url, "anonymous")
    yield client
    await client.auth.close()


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


async def test_the_python_client_signs_up_in_on_and_out(
    client: supabase.AsyncClient, gateway: Gateway, mesh: ScriptedMesh
) -> None:
    email = new_email()
    up = await client.auth.sign_up({"email": email, "password": PASSWORD})
    assert up.user is not None
    assert up.user.email == email
    signed_in = await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert signed_in.session is not None
    refreshed = await client.auth.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    who = await client.auth.get_user()
    assert who is not None
    assert who.user.id == up.user.id
    claims = await client.auth.get_claims()
    assert claims is not None
    assert claims["claims"].get("sub") == up.user.id
    token = refreshed.session.access_token
    async with gateway.client(token) as rest:
        assert (await rest.get("/v1/runs")).status_code == 200
    await client.auth.sign_out()
    with pytest.raises(AuthApiError) as caught:
        await client.auth.get_user(token)
    assert caught.value.code == "session_not_found"


async def test_the_python_client_understands_refusals(client: supabase.AsyncClient) -> None:
    email = new_email()
    await client.auth.sign_up({"email": email, "password": PASSWORD})
    with pytest.raises(AuthApiError) as caught:
        await client.auth.sign_in_with_password({"email": email, "password": "wrong password"})
    assert (caught.value.code, caught.value.status) == ("invalid_credentials", 400)
    assert caught.value.message == "Invalid login credentials"
    with pytest.raises(AuthApiError) as caught:
        await client.auth.sign_up({"email": email, "password": PASSWORD})
    assert caught.value.code == "user_already_exists"


async def run(*command: str | Path, cwd: Path | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), _INSTALL_SECONDS)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="module")
async def packages() -> Path:
    """Where the client for pages is installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    manifest = (BROWSER / "package.json").read_text()
    installed = PACKAGES / "installed.json"
    if not installed.exists() or installed.read_text() != manifest:
        PACKAGES.mkdir(exist_ok=True)
        (PACKAGES / "package.json").write_text(manifest)
        await run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=PACKAGES)
        installed.write_text(manifest)
    return PACKAGES


async def test_the_client_for_pages_signs_up_in_on_and_out(
    gateway: Gateway, mesh: ScriptedMesh, packages: Path
) -> None:
    email = new_email()
    output = await run("node", BROWSER / "sign_in.mjs", gateway.url, email, packages)
    seen = json.loads(output.splitlines()[-1])
    assert seen == {
        "signedUp": email,
        "name": "Ada",
        "again": "user_already_exists",
        "weak": "weak_password",
        "wrong": ["invalid_credentials", 400, "Invalid login credentials"],
        "signedIn": True,
        "refreshed": True,
        "claims": email,
        "user": email,
        "runs": 200,
        "signedOut": True,
        "late": "AuthSessionMissingError",
        "reuse": "refresh_token_not_found",
    }

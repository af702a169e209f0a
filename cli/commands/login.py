"""`flowloom login` and `flowloom token`: who the caller is, here and in other tools."""

import os
import shlex
from typing import Annotated, Any

import jwt
import typer

from cli.access import access_token, gateway_url, local_mesh, log_in, state_directory
from cli.commands.workflows import AsJson
from cli.drawing import as_json, console
from cli.exits import Exit, Failure
from shared.identity import METADATA_KEY, Principal, sign


def login(
    email: Annotated[str, typer.Option(prompt=True, help="The account's e-mail address.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Its password; asked for if absent.")
    ],
    sign_up: Annotated[bool, typer.Option("--sign-up", help="Create the account first.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Sign in to a mesh, or sign up. FLOWLOOM_URL names the mesh; else it is the one here."""
    url = gateway_url()
    log_in(url, email, password, sign_up=sign_up)
    if as_json_:
        as_json({"url": url, "email": email})
    else:
        console.print(f"Signed in to {url} as {email}.", markup=False)


def token(
    shell: Annotated[
        bool,
        typer.Option(
            "--shell", help="As assignments for `eval`: AUTH, IDENTITY, GATEWAY, AGENT, ENGINE."
        ),
    ] = False,
    as_json_: AsJson = False,
) -> None:
    """Print headers for curl and grpcurl; with --shell or --json also the addresses to use them at.

    The identity for grpcurl is signed with the mesh's secret, so it can be made only on the machine
    (or with the MESH_SECRET) of the mesh itself. It is valid for minutes. The addresses of agent
    and engine are known where the mesh runs; elsewhere AGENT_ADDRESS and ENGINE_ADDRESS say them.
    """
    url = gateway_url()
    value = access_token(url)
    mesh = local_mesh(url)
    told = {"AUTH": f"authorization: Bearer {value}"}
    if secret := os.environ.get("MESH_SECRET") or (_local_secret() if mesh else ""):
        told["IDENTITY"] = f"{METADATA_KEY}: {sign(_principal(value), secret)}"
    told["GATEWAY"] = url
    if agent := mesh.agent_address if mesh else os.environ.get("AGENT_ADDRESS"):
        told["AGENT"] = agent
    if engine := mesh.engine_addresses[0] if mesh else os.environ.get("ENGINE_ADDRESS"):
        told["ENGINE"] = engine
    if as_json_:
        as_json({name.lower(): text for name, text in told.items()})
    elif shell:
        for name, text in told.items():
            typer.echo(f"{name}={shlex.quote(text)}")
    else:
        for name in ("AUTH", "IDENTITY"):
            if name in told:
                typer.echo(told[name])


def _principal(value: str) -> Principal:
    """Whom a token speaks for; the mesh checks its signature, we only read it."""
    try:
        claims: dict[str, Any] = jwt.decode(value, options={"verify_signature": False})
        subject = str(claims["sub"])
    except (jwt.InvalidTokenError, KeyError) as error:
        raise Failure(Exit.USAGE, f"FLOWLOOM_TOKEN is no access token: {error}.") from error
    app: dict[str, Any] = claims.get("app_metadata") or {}
    tenant_id = app.get("tenant_id") or subject
    return Principal(tenant_id=tenant_id, subject=subject, email=claims.get("email") or "")


def _local_secret() -> str:
    state = state_directory()
    return state.secrets()["mesh_secret"] if state.secrets_file.exists() else ""

"""`flowloom login` and `flowloom token`: who the caller is, here and in other tools."""

import json
import os
from typing import Annotated

import jwt
import typer

from cli.access import access_token, gateway_url, log_in, state_directory
from cli.drawing import as_json, console
from shared.identity import METADATA_KEY, Principal, sign


def login(
    email: Annotated[str, typer.Option(prompt=True, help="The account's e-mail address.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Its password; asked for if absent.")
    ],
    sign_up: Annotated[bool, typer.Option("--sign-up", help="Create the account first.")] = False,
) -> None:
    """Sign in to a mesh, or sign up. FLOWLOOM_URL names the mesh; else it is the one here."""
    url = gateway_url()
    log_in(url, email, password, sign_up=sign_up)
    console.print(f"Signed in to {url} as {email}.", markup=False)


def token(
    shell: Annotated[
        bool, typer.Option("--shell", help="As assignments for `eval`: AUTH, IDENTITY.")
    ] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print headers for curl and grpcurl.

    The identity for grpcurl is signed with the mesh's secret, so it can be made only on the machine
    (or with the MESH_SECRET) of the mesh itself. It is valid for minutes.
    """
    value = access_token(gateway_url())
    headers = {"AUTH": f"authorization: Bearer {value}"}
    if secret := os.environ.get("MESH_SECRET") or _local_secret():
        headers["IDENTITY"] = f"{METADATA_KEY}: {sign(_principal(value), secret)}"
    if as_json_:
        as_json({name.lower(): header for name, header in headers.items()})
    elif shell:
        for name, header in headers.items():
            typer.echo(f"{name}={json.dumps(header)}")
    else:
        for header in headers.values():
            typer.echo(header)


def _principal(value: str) -> Principal:
    """Whom a token speaks for; the mesh checks its signature, we only read it."""
    claims = jwt.decode(value, options={"verify_signature": False})
    tenant_id = claims.get("app_metadata", {}).get("tenant_id") or claims["sub"]
    return Principal(tenant_id=tenant_id, subject=claims["sub"], email=claims.get("email") or "")


def _local_secret() -> str:
    state = state_directory()
    return state.secrets()["mesh_secret"] if state.secrets_file.exists() else ""

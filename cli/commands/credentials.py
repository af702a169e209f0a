"""`flowloom credentials …`: what nodes prove themselves with; secrets are asked for unseen."""

import webbrowser
from typing import Annotated, Any

import typer

from cli.commands.workflows import AsJson
from cli.documents import read_document
from cli.drawing import Json, as_json, console, print_list
from cli.exits import Exit, Failure
from cli.rest import Rest, signed_in
from cli.tables import Column

app = typer.Typer(no_args_is_help=True)

CredentialId = Annotated[
    str, typer.Argument(metavar="CREDENTIAL", help="The credential's id, cred_…, or its name.")
]

_COLUMNS = (
    Column("id", "id"),
    Column("name", "name", weight=3, flexible=True),
    Column("type", "type", weight=2),
    Column("status", "status", weight=1),
)
_TYPE_COLUMNS = (
    Column("type", "type"),
    Column("title", "title", weight=2),
    Column("description", "what it is", weight=1, flexible=True),
)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json_: AsJson = False,
) -> None:
    """List credentials, newest first, without their secrets."""
    with signed_in() as rest:
        found = list(rest.pages("/v1/credentials", "credentials", limit))
    if as_json_:
        as_json(found)
    else:
        print_list(found, _COLUMNS, "There are none. `flowloom credentials create` makes one.")


@app.command()
def types(as_json_: AsJson = False) -> None:
    """List the types there are."""
    with signed_in() as rest:
        found = rest.get("/v1/credential-types")["credential_types"]
    if as_json_:
        as_json(found)
    else:
        print_list(found, _TYPE_COLUMNS, "There are none.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What workflows will call it.")],
    kind: Annotated[str, typer.Option("--type", help="Its type; `types` lists them.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Where it may be shown; give it several times.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="A file with the fields as JSON; - reads standard input.")
    ] = "",
    as_json_: AsJson = False,
) -> None:
    """Seal a new credential. Without --data its fields are asked for, secrets unseen."""
    with signed_in() as rest:
        fields = read_document(data) if data else _ask(rest, kind)
        body = {"name": name, "type": kind, "data": fields, "hosts": host or []}
        created = rest.post("/v1/credentials", body)
    if as_json_:
        as_json(created)
        return
    console.print(f"{created['id']}  {created['name']}", markup=False)
    if created["status"] == "unconnected":
        console.print(f"Connect it: flowloom credentials connect {created['id']}", markup=False)


@app.command()
def connect(
    credential: CredentialId,
    browser: Annotated[bool, typer.Option(help="Open the page for consent.")] = True,
    as_json_: AsJson = False,
) -> None:
    """Let an account's owner consent, in a browser."""
    with signed_in() as rest:
        identifier = _resolve(rest, credential)
        url = rest.post(f"/v1/credentials/{identifier}:connect")["authorization_url"]
    if as_json_:
        as_json({"authorization_url": url})
        return
    console.print(url, markup=False, soft_wrap=True)
    if browser:
        webbrowser.open(url)


@app.command("test")
def try_out(
    credential: CredentialId,
    url: Annotated[str, typer.Option(help="Where to try it, if its type knows no place.")] = "",
    as_json_: AsJson = False,
) -> None:
    """Send a harmless request with it, and say what came of it."""
    with signed_in() as rest:
        identifier = _resolve(rest, credential)
        found = rest.post(f"/v1/credentials/{identifier}:test", {"url": url} if url else None)
    if as_json_:
        as_json(found)
    elif found["works"]:
        console.print("It works.")
    if not found["works"]:
        raise Failure(Exit.FAILED, found["message"] or "It does not work.")


@app.command()
def delete(
    credential: CredentialId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Delete a credential for good; nodes that refer to it fail from then on."""
    if not yes:
        typer.confirm(f"Delete {credential}?", abort=True)
    with signed_in() as rest:
        identifier = _resolve(rest, credential)
        rest.delete(f"/v1/credentials/{identifier}")
    if as_json_:
        as_json({"id": identifier, "deleted": True})
    else:
        console.print(f"{credential} is gone.", markup=False)


def _ask(rest: Rest, kind: str) -> Json:
    """Ask for the fields that a type needs, and for every secret."""
    known = rest.get("/v1/credential-types")["credential_types"]
    schemas: dict[str, Json] = {one["type"]: one["schema"] for one in known}
    if kind not in schemas:
        raise Failure(Exit.USAGE, f"There is no type {kind!r}. There are {', '.join(schemas)}.")
    schema = schemas[kind]
    fields: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        hidden = bool(field.get("writeOnly"))
        if hidden or name in schema.get("required", ()):
            default = "" if name not in schema.get("required", ()) else None
            fields[name] = typer.prompt(
                field["description"], hide_input=hidden, default=default, show_default=False
            )
    return fields


def _resolve(rest: Rest, credential: str) -> str:
    """A credential's id, from its id or its name.

    Raises:
        Failure: None has this name.
    """
    if credential.startswith("cred_"):
        return credential
    for one in rest.pages("/v1/credentials", "credentials", 1_000):
        if one["name"] == credential:
            return str(one["id"])
    raise Failure(Exit.FAILED, f"No credential is called {credential!r}.")

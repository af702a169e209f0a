"""`flowloom workflows …`, `import` and `export`: what is stored, and its definitions as files."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.drawing import as_json, console, table, workflow_tree
from cli.exits import Exit, Failure
from cli.rest import Rest, signed_in

app = typer.Typer(no_args_is_help=True)

WorkflowId = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id, wf_…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_COLUMNS = {
    "id": "id",
    "name": "name",
    "latest_version": "version",
    "active_version": "active",
    "update_time": "changed",
}


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json_: AsJson = False,
) -> None:
    """List workflows, newest first."""
    with signed_in() as rest:
        found = list(rest.pages("/v1/workflows", "workflows", limit))
    if as_json_:
        as_json(found)
    else:
        console.print(table(found, _COLUMNS))


@app.command()
def show(workflow: WorkflowId, as_json_: AsJson = False) -> None:
    """Show one workflow, drawn as a tree."""
    with signed_in() as rest:
        found = rest.get(f"/v1/workflows/{workflow}")
        triggers = rest.get("/v1/triggers", workflow_id=workflow)["triggers"]
    if as_json_:
        as_json(found)
        return
    console.print(workflow_tree(found["definition"]))
    active = found["active_version"]
    console.print(
        f"version {found['latest_version']}, {f'active: {active}' if active else 'not active'}"
    )
    for trigger in triggers:
        _tell_trigger(rest.url, trigger)


@app.command()
def activate(
    workflow: WorkflowId,
    version: Annotated[int, typer.Option(help="The version to pin; the latest when 0.")] = 0,
    as_json_: AsJson = False,
) -> None:
    """Turn a workflow's triggers on."""
    with signed_in() as rest:
        found = rest.post(f"/v1/workflows/{workflow}:activate", {"version": version})
        triggers = rest.get("/v1/triggers", workflow_id=workflow)["triggers"]
    if as_json_:
        as_json({**found, "triggers": triggers})
        return
    console.print(f"{found['name']}: version {found['active_version']} is active.", markup=False)
    for trigger in triggers:
        _tell_trigger(rest.url, trigger)


@app.command()
def deactivate(workflow: WorkflowId, as_json_: AsJson = False) -> None:
    """Turn a workflow's triggers off, at once."""
    with signed_in() as rest:
        found = rest.post(f"/v1/workflows/{workflow}:deactivate")
    if as_json_:
        as_json(found)
        return
    console.print(f"{found['name']} is no longer active.", markup=False)


@app.command()
def delete(
    workflow: WorkflowId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Delete a workflow, its versions and triggers; its runs stay readable."""
    if not yes:
        typer.confirm(f"Delete {workflow}?", abort=True)
    with signed_in() as rest:
        rest.delete(f"/v1/workflows/{workflow}")
    if as_json_:
        as_json({"id": workflow, "deleted": True})
    else:
        console.print(f"{workflow} is gone.", markup=False)


def import_file(
    file: Annotated[Path, typer.Argument(help="A definition in JSON; - reads standard input.")],
    activate: Annotated[bool, typer.Option("--activate", help="Turn it on, too.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Create a workflow from a file."""
    definition = read_json(str(file))
    with signed_in() as rest:
        created = rest.post("/v1/workflows", {"definition": definition})
        if activate:
            created = rest.post(f"/v1/workflows/{created['id']}:activate")
    if as_json_:
        as_json(created)
    else:
        console.print(workflow_tree(created["definition"]))
        console.print(f"{created['id']}  {created['name']}", markup=False)


def export(workflow: WorkflowId) -> None:
    """Print a workflow's definition, such as `import` reads."""
    with signed_in() as rest:
        found = rest.get(f"/v1/workflows/{workflow}")
    typer.echo(json.dumps(found["definition"], indent=2, ensure_ascii=False))


def read_json(source: str) -> Any:
    """JSON from a file, or from standard input when `source` is `-`.

    Raises:
        Failure: It cannot be read or is not JSON.
    """
    try:
        return json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    except OSError as error:
        raise Failure(Exit.USAGE, f"{source} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{source} is not JSON: {error}.") from error


def resolve(rest: Rest, workflow: str) -> str:
    """A workflow's id, from its id or from a name that only one has.

    Raises:
        Failure: No workflow, or more than one, has this name.
    """
    if workflow.startswith("wf_"):
        return workflow
    found = [
        one
        for one in rest.pages("/v1/workflows", "workflows", 200)
        if one["name"].casefold() == workflow.casefold()
    ]
    if len(found) != 1:
        raise Failure(Exit.FAILED, f"{len(found) or 'No'} workflows are called {workflow!r}.")
    return str(found[0]["id"])


def _tell_trigger(url: str, trigger: dict[str, Any]) -> None:
    where = f"{url}/v1/hooks/{trigger['path']}" if trigger.get("path") else ""
    console.print(
        f"  {trigger['type']}  {where or trigger.get('next_fire_time') or ''}", markup=False
    )

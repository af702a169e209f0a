"""`flowloom run` and `flowloom runs …`: start runs, watch them, look at them, end them."""

import json
from typing import Annotated, Any

import typer

from cli.commands.workflows import AsJson, read_json, resolve
from cli.drawing import as_json, console, status, table
from cli.exits import Exit, Failure
from cli.live import show_result, watch
from cli.rest import Json, Rest, signed_in

app = typer.Typer(no_args_is_help=True)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, run_…")]

_COLUMNS = {
    "id": "id",
    "status": "status",
    "workflow_id": "workflow",
    "trigger": "trigger",
    "create_time": "created",
}


def run(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id, wf_…, or its name.")],
    given: Annotated[
        str, typer.Option("--input", "-i", help="JSON, or @FILE, or @- for standard input.")
    ] = "{}",
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Show each node live.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Run a workflow, maybe watching it. Fails when a watched run does."""
    with signed_in() as rest:
        workflow_id = resolve(rest, workflow)
        started = rest.post(f"/v1/workflows/{workflow_id}:run", {"input": _input(given)})
        if watched:
            started = follow(rest, started["id"], quiet=as_json_)
    if as_json_:
        as_json(started)
    elif not watched:
        console.print(f"{started['id']} is {started['status']}.", markup=False)
    if watched and started["status"] != "completed":
        raise typer.Exit(Exit.FAILED)


@app.command("list")
def list_(
    workflow: Annotated[str, typer.Option(help="Only runs of this workflow.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20,
    as_json_: AsJson = False,
) -> None:
    """List runs, newest first."""
    with signed_in() as rest:
        only = {"workflow_id": resolve(rest, workflow)} if workflow else {}
        found = list(rest.pages("/v1/runs", "runs", limit, **only))
    if as_json_:
        as_json(found)
    else:
        console.print(table(found, _COLUMNS))


@app.command()
def show(run: RunId, as_json_: AsJson = False) -> None:
    """Show a run and what its nodes did."""
    with signed_in() as rest:
        found = rest.get(f"/v1/runs/{run}", view="full")
    if as_json_:
        as_json(found)
        return
    console.print(found["id"], status(found["status"]))
    show_result(found)


@app.command("watch")
def watch_(run: RunId, as_json_: AsJson = False) -> None:
    """Follow a run to its end, from its beginning."""
    with signed_in() as rest:
        found = follow(rest, run, quiet=as_json_)
    if as_json_:
        as_json(found)
    if found["status"] != "completed":
        raise typer.Exit(Exit.FAILED)


@app.command()
def events(run: RunId, after: Annotated[int, typer.Option(help="Only later events.")] = 0) -> None:
    """Print a run's events as they come, one JSON object a line."""
    with signed_in() as rest:
        for event in rest.events(f"/v1/runs/{run}/events", after):
            typer.echo(json.dumps({"id": event.sequence, "event": event.type, "data": event.data}))


@app.command()
def cancel(
    run: RunId,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "",
    as_json_: AsJson = False,
) -> None:
    """End a run, at once."""
    with signed_in() as rest:
        found = rest.post(f"/v1/runs/{run}:cancel", {"reason": reason})
    if as_json_:
        as_json(found)
        return
    console.print(found["id"], status(found["status"]))


@app.command()
def retry(
    run: RunId,
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Show each node live.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Start a new run with an old one's input and version."""
    with signed_in() as rest:
        started = rest.post(f"/v1/runs/{run}:retry")
        if watched:
            started = follow(rest, started["id"], quiet=as_json_)
    if as_json_:
        as_json(started)
    elif not watched:
        console.print(f"{started['id']} is {started['status']}.", markup=False)
    if watched and started["status"] != "completed":
        raise typer.Exit(Exit.FAILED)


def follow(rest: Rest, run_id: str, *, quiet: bool = False) -> Json:
    """Watch a run to its end and show what came of it; the whole run."""
    path = f"/v1/runs/{run_id}"
    if quiet:
        for _ in rest.events(f"{path}/events"):
            pass
    else:
        console.print(run_id, style="bold", markup=False)
        watch(rest.events(f"{path}/events"))
    found = rest.get(path, view="full")
    if not quiet:
        show_result(found)
    return found


def _input(given: str) -> Any:
    if given.startswith("@"):
        return read_json(given[1:])
    try:
        return json.loads(given)
    except ValueError as error:
        raise Failure(Exit.USAGE, f"--input is not JSON: {error}.") from error

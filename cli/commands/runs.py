"""`flowloom run` and `flowloom runs …`: start runs, watch them, look at them, end them."""

import json
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from cli.commands.naming import only_id, resolve
from cli.commands.workflows import AsJson, Workflow
from cli.documents import read_value
from cli.drawing import as_json, console, notices, print_list, status
from cli.exits import Exit
from cli.live import show_result, watch
from cli.rest import Json, Rest, signed_in
from cli.tables import Column, moment

app = typer.Typer(no_args_is_help=True)

RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run's id, run_….",
        callback=only_id("run", "`flowloom runs list` shows them"),
    ),
]
Watched = Annotated[bool, typer.Option("--watch", "-w", help="Show each node live.")]


def _trigger(name: object) -> Text:
    return Text(str(name or "").removeprefix("trigger."))


_COLUMNS = (
    Column("id", "id"),
    Column("status", "status", weight=4, show=status),
    Column("workflow", "workflow", weight=3, flexible=True),
    Column("trigger", "trigger", weight=1, show=_trigger),
    Column("create_time", "created", weight=2, show=moment),
)
_NAMED_WORKFLOWS = 200


def run(
    workflow: Workflow,
    given: Annotated[
        str, typer.Option("--input", "-i", help="JSON, or @FILE, or @- for standard input.")
    ] = "{}",
    watched: Watched = False,
    as_json_: AsJson = False,
) -> None:
    """Run a workflow, maybe watching it. Fails when a watched run does."""
    document = read_value(given, "--input")
    with signed_in() as rest:
        workflow_id = resolve(rest, workflow)
        started = rest.post(f"/v1/workflows/{workflow_id}:run", {"input": document})
        _see_through(rest, started, watched=watched, quiet=as_json_)


@app.command("list")
def list_(
    workflow: Annotated[
        str, typer.Option(metavar="WORKFLOW", help="Only runs of this one: its id or its name.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20,
    as_json_: AsJson = False,
) -> None:
    """List runs, newest first."""
    with signed_in() as rest:
        only = {"workflow_id": resolve(rest, workflow)} if workflow else {}
        pages = rest.pages("/v1/runs", "runs", limit + 1, **only)
        found = list(islice(pages, limit))
        more = next(pages, None) is not None
        if as_json_:
            as_json(found)
            return
        stored = rest.pages("/v1/workflows", "workflows", _NAMED_WORKFLOWS) if found else ()
        names = {one["id"]: one["name"] for one in stored}
    rows = [{**one, "workflow": names.get(one["workflow_id"], one["workflow_id"])} for one in found]
    print_list(rows, _COLUMNS, "No runs yet. Start one: flowloom run WORKFLOW --watch")
    if more:
        notices.print(f"There are more: --limit {limit * 2}", style="dim")


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
    """Follow a run to its end, from its beginning. Fails when the run does."""
    with signed_in() as rest:
        found = follow(rest, run, quiet=as_json_)
    if as_json_:
        as_json(found)
    _fail_unless_completed(found)


@app.command()
def events(
    run: RunId,
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    as_json_: Annotated[bool, typer.Option("--json", help="It is JSON anyway.")] = False,
) -> None:
    """Print a run's events as they come, one JSON object a line."""
    del as_json_
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
def retry(run: RunId, watched: Watched = False, as_json_: AsJson = False) -> None:
    """Start a new run with an old one's input and version. Fails when a watched run does."""
    with signed_in() as rest:
        started = rest.post(f"/v1/runs/{run}:retry")
        _see_through(rest, started, watched=watched, quiet=as_json_)


@app.command()
def rerun(
    run: RunId,
    node: Annotated[str, typer.Argument(metavar="NODE", help="The id of the node to begin at.")],
    latest: Annotated[
        bool, typer.Option("--latest", help="With the workflow's latest version, not the run's.")
    ] = False,
    iteration: Annotated[
        str, typer.Option(help="In loops, the iteration to begin at, such as 2.")
    ] = "",
    watched: Watched = False,
    as_json_: AsJson = False,
) -> None:
    """Run again from a node on, keeping what came before. Fails when a watched run does."""
    body = {
        "from_node": node,
        "iteration": iteration,
        "definition": "latest" if latest else "same",
    }
    with signed_in() as rest:
        started = rest.post(f"/v1/runs/{run}:rerun", body)
        _see_through(rest, started, watched=watched, quiet=as_json_)


def follow(rest: Rest, run_id: str, *, quiet: bool = False) -> Json:
    """Watch a run to its end and show what came of it; the whole run."""
    path = f"/v1/runs/{run_id}"
    try:
        if quiet:
            for _ in rest.events(f"{path}/events"):
                pass
        else:
            console.print(run_id, style="bold", markup=False)
            watch(rest.events(f"{path}/events"))
    except KeyboardInterrupt:
        notices.print(f"\nThe run goes on. Follow it again: flowloom runs watch {run_id}")
        raise typer.Exit(Exit.INTERRUPTED) from None
    found = rest.get(path, view="full")
    if not quiet:
        show_result(found)
    return found


def _see_through(rest: Rest, started: Json, *, watched: bool, quiet: bool) -> None:
    """Show a run that was just started, to its end if it is watched."""
    ended = follow(rest, started["id"], quiet=quiet) if watched else started
    if quiet:
        as_json(ended)
    elif not watched:
        console.print(f"{started['id']} is {started['status']}.", markup=False)
        notices.print(f"Follow it: flowloom runs watch {started['id']}", style="dim")
    if watched:
        _fail_unless_completed(ended)


def _fail_unless_completed(run: Json) -> None:
    if run["status"] != "completed":
        raise typer.Exit(Exit.FAILED)

"""`flowloom workflows …`, `import` and `export`: what is stored, and its definitions as files."""

import json
from itertools import islice
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.commands.naming import resolve
from cli.documents import read_document
from cli.drawing import as_json, console, notices, print_list, workflow_tree
from cli.exits import Failure
from cli.rest import Json, Rest, signed_in
from cli.tables import Column, local_time, moment

app = typer.Typer(no_args_is_help=True)

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id, wf_…, or its name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with everything there is.")]


def _version(number: Any) -> Text:
    return Text(str(number)) if number else Text("–", style="dim")


_COLUMNS = (
    Column("id", "id"),
    Column("name", "name", weight=4, flexible=True),
    Column("latest_version", "version", weight=1),
    Column("active_version", "active", weight=3, show=_version),
    Column("update_time", "changed", weight=2, show=moment),
)
_NONE = (
    'No workflows yet. Say what you want: flowloom chat "…", or read one from a file: '
    "flowloom import FILE"
)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json_: AsJson = False,
) -> None:
    """List workflows, newest first."""
    with signed_in() as rest:
        pages = rest.pages("/v1/workflows", "workflows", limit + 1)
        found = list(islice(pages, limit))
        more = next(pages, None) is not None
    if as_json_:
        as_json(found)
        return
    print_list(found, _COLUMNS, _NONE)
    if more:
        notices.print(f"There are more: --limit {limit * 2}", style="dim")


@app.command()
def show(workflow: Workflow, as_json_: AsJson = False) -> None:
    """Show one workflow, drawn as a tree."""
    with signed_in() as rest:
        workflow_id = resolve(rest, workflow)
        found = rest.get(f"/v1/workflows/{workflow_id}")
        triggers = rest.get("/v1/triggers", workflow_id=workflow_id)["triggers"]
    if as_json_:
        as_json({**found, "triggers": triggers})
        return
    console.print(workflow_tree(found["definition"]))
    active = found["active_version"]
    console.print(
        f"{found['id']}  version {found['latest_version']}, "
        f"{f'version {active} is active' if active else 'not active'}, "
        f"changed {local_time(found['update_time'])}",
        style="dim",
        soft_wrap=True,
    )
    _tell_triggers(rest.url, triggers)


@app.command()
def activate(
    workflow: Workflow,
    version: Annotated[int, typer.Option(min=0, help="The version to pin; the latest when 0.")] = 0,
    as_json_: AsJson = False,
) -> None:
    """Turn a workflow's triggers on."""
    with signed_in() as rest:
        workflow_id = resolve(rest, workflow)
        found = rest.post(f"/v1/workflows/{workflow_id}:activate", {"version": version})
        triggers = rest.get("/v1/triggers", workflow_id=workflow_id)["triggers"]
    if as_json_:
        as_json({**found, "triggers": triggers})
        return
    tell_active(rest.url, found, triggers)


@app.command()
def deactivate(workflow: Workflow, as_json_: AsJson = False) -> None:
    """Turn a workflow's triggers off, at once."""
    with signed_in() as rest:
        found = rest.post(f"/v1/workflows/{resolve(rest, workflow)}:deactivate")
    if as_json_:
        as_json(found)
        return
    console.print(f"{found['name']} is no longer active.", markup=False)


@app.command()
def delete(
    workflow: Workflow,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Delete a workflow, its versions and triggers; its runs stay readable."""
    with signed_in() as rest:
        workflow_id = resolve(rest, workflow)
        name = rest.get(f"/v1/workflows/{workflow_id}")["name"]
        if not yes:
            typer.confirm(f"Delete {name} ({workflow_id})?", abort=True, err=True)
        rest.delete(f"/v1/workflows/{workflow_id}")
    if as_json_:
        as_json({"id": workflow_id, "deleted": True})
    else:
        console.print(f"{name} is gone.", markup=False)


def import_file(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A definition, or a workflow of n8n; - reads standard input."
        ),
    ],
    activate: Annotated[bool, typer.Option("--activate", help="Turn it on, too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of it.")
    ] = False,
    as_json_: AsJson = False,
) -> None:
    """Create a workflow from a file. What would keep it from running is said, and it is kept."""
    document = read_document(file)
    with signed_in() as rest:
        imported = rest.post(
            "/v1/workflows:import", {"document": document}, validate_only=str(dry_run).lower()
        )
        created, report = imported["workflow"], imported["report"]
        checked = rest.post("/v1/workflows:validate", {"definition": created["definition"]})
        if not as_json_:
            console.print(workflow_tree(created["definition"]))
            console.print(f"{created['id']}  {created['name']}", markup=False)
        _tell_report(report)
        _warn(checked, stored=not dry_run)
        if activate and not dry_run:
            created = _activate(rest, created)
    if as_json_:
        as_json({**created, **checked, "report": report})
    elif activate and not dry_run:
        console.print(f"Version {created['active_version']} is active.")


def export(workflow: Workflow) -> None:
    """Print a workflow's definition, such as `import` reads."""
    with signed_in() as rest:
        found = rest.get(f"/v1/workflows/{resolve(rest, workflow)}")
    typer.echo(json.dumps(found["definition"], indent=2, ensure_ascii=False))


def _activate(rest: Rest, created: Json) -> Json:
    try:
        return rest.post(f"/v1/workflows/{created['id']}:activate")
    except Failure as failure:
        raise Failure(
            failure.exit, f"{created['id']} is stored, but not active. {failure.message}"
        ) from failure


def _tell_report(report: Json) -> None:
    """Say what became of each node of another system, unless it is just the same here."""
    for node in report["nodes"]:
        if node["verdict"] == "mapped":
            continue
        unmatched = node["verdict"] == "unmatched"
        told = "no counterpart" if unmatched else f"{node['mapped_to']}, with a difference"
        notices.print(
            f"{node['name']}: {told}. {' '.join(node['differences'])}",
            style="red" if unmatched else "yellow",
            markup=False,
        )
    for note in report["notes"]:
        notices.print(note, style="yellow", markup=False)


def _warn(checked: Json, *, stored: bool) -> None:
    """Say what checking a definition found; beside the output, which may be JSON."""
    diagnostics: list[Json] = checked["diagnostics"]
    for found in diagnostics:
        wrong = found["severity"] == "error"
        mend = f" ({found['suggestion']})" if found.get("suggestion") else ""
        notices.print(
            f"{found['severity']}  {found['pointer'] or '/'}: {found['message']}{mend}",
            style="red" if wrong else "yellow",
            markup=False,
        )
    if not checked["valid"]:
        state = "It is stored, but" if stored else "It"
        notices.print(f"{state} cannot run before this is mended.", style="bold")


def tell_active(url: str, workflow: Json, triggers: list[Json]) -> None:
    """Say what was turned on, and what starts it now."""
    version = workflow["active_version"]
    console.print(f"{workflow['name']}: version {version} is active.", markup=False)
    _tell_triggers(url, triggers)


def _tell_triggers(url: str, triggers: list[Json]) -> None:
    for trigger in triggers:
        if trigger.get("path"):
            told = f"{url}/v1/hooks/{trigger['path']}"
        elif trigger.get("next_fire_time"):
            told = f"next at {local_time(trigger['next_fire_time'])}"
        else:
            told = ""
        console.print(f"  {trigger['type']}  {told}", markup=False, soft_wrap=True)

"""A run as it happens: one line for each thing that its nodes do."""

from collections.abc import Iterable

from rich.text import Text

from cli.drawing import Json, console, run_table, seconds, short, status
from cli.rest import Event
from cli.tables import local_time

_ENDED = ("run.completed", "run.failed", "run.cancelled")
_TOLD = {
    "node.started": "running",
    "node.completed": "completed",
    "node.failed": "failed",
    "node.skipped": "skipped",
    "node.waiting": "waiting",
    "node.retrying": "retrying",
}


def watch(events: Iterable[Event]) -> Json:
    """Show events until the run has ended; the run as it ended."""
    # Something moves on a terminal while nothing happens; elsewhere this draws nothing.
    with console.status("running", spinner="dots", spinner_style="cyan") as spinner:
        for event in events:
            if event.type in _ENDED:
                run: Json = event.data["run"]
                console.print(Text.assemble("run ", status(run["status"]), f"  {_why(run)}"))
                return run
            spinner.update("waiting" if event.type == "run.waiting" else "running")
            _show(event)
    return {}


def show_result(run: Json) -> None:
    """What a run did so far and gave."""
    if run.get("nodes"):
        console.print(run_table(run))
    if why := _why(run):
        console.print(Text.assemble(("error  ", "bold red"), why), soft_wrap=True)
    if run.get("output") is not None:
        console.print(Text.assemble(("output ", "bold"), short(run["output"])))


def _show(event: Event) -> None:
    if event.type == "log":
        console.print(f"  {event.data.get('message', '')}", style="dim", markup=False)
    elif name := _TOLD.get(event.type):
        node = Text(f"  {event.data['node_id']}", style="bold")
        if iteration := event.data.get("iteration"):
            node.append(f" [{iteration}]", style="dim")
        line = Text.assemble(node, "  ", status(name), "  ", _detail(event.data))
        console.print(line, soft_wrap=True)


def _detail(data: Json) -> Text:
    """What there is to know besides the status: why, how long, until when, what to do."""
    error: Json = data.get("error") or {}
    if error:
        again = f"; again at {local_time(data['retry_time'])}" if data.get("retry_time") else ""
        return Text(f"{error.get('message') or ''}{again}", style="red")
    told: list[str] = []
    if data.get("approval_id"):
        told.append(f"flowloom approve {data['approval_id']}")
    if data.get("until"):
        told.append(f"until {local_time(data['until'])}")
    if data.get("duration_ms") is not None:
        told.append(seconds(data["duration_ms"] / 1000))
    return Text("  ".join(told), style="dim")


def _why(run: Json) -> str:
    error: Json = run.get("error") or {}
    return str(error.get("message") or "")

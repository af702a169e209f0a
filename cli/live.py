"""A run as it happens: one line for each thing that its nodes do."""

from collections.abc import Iterable

from rich.text import Text

from cli.drawing import Json, console, run_table, short, status
from cli.rest import Event

_ENDED = ("run.completed", "run.failed", "run.cancelled")
_TOLD = {
    "node.started": "running",
    "node.completed": "completed",
    "node.failed": "failed",
    "node.skipped": "skipped",
    "node.waiting": "waiting",
    "node.retrying": "running",
}


def watch(events: Iterable[Event]) -> Json:
    """Show events until the run has ended; the run as it ended."""
    for event in events:
        if event.type in _ENDED:
            run: Json = event.data["run"]
            console.print(
                Text.assemble("run ", status(run["status"]), f"  {_why(run)}"), markup=False
            )
            return run
        _show(event)
    return {}


def show_result(run: Json) -> None:
    """What a finished run did and gave."""
    console.print(run_table(run))
    if run.get("output") is not None:
        console.print(Text.assemble(("output ", "bold"), short(run["output"])))


def _show(event: Event) -> None:
    if event.type == "log":
        console.print(f"  {event.data.get('message', '')}", style="dim", markup=False)
    elif name := _TOLD.get(event.type):
        node = Text(f"  {event.data['node_id']}", style="bold")
        if iteration := event.data.get("iteration"):
            node.append(f" [{iteration}]", style="dim")
        console.print(Text.assemble(node, "  ", status(name), "  ", _detail(event)))


def _detail(event: Event) -> Text:
    error: Json = event.data.get("error") or {}
    return Text(str(error.get("message") or ""), style="red" if error else "")


def _why(run: Json) -> str:
    error: Json = run.get("error") or {}
    return str(error.get("message") or "")

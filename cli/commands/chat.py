"""`flowloom chat`: say what you want, answer what is asked, look at the workflow, run it."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from rich.prompt import Confirm, Prompt
from rich.text import Text

from cli.commands.runs import follow
from cli.commands.workflows import AsJson
from cli.drawing import Json, as_json, console, workflow_tree
from cli.exits import Exit
from cli.rest import Event, Rest, signed_in


def chat(
    text: Annotated[str, typer.Argument(help="What you want, in your own words.")] = "",
    session: Annotated[str, typer.Option(help="Go on with a session, ses_….")] = "",
    edit: Annotated[str, typer.Option(help="Change this workflow, wf_…, in place.")] = "",
    auto: Annotated[bool, typer.Option("--auto", help="Ask nothing; assume and say so.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Say what you want; get a workflow. Asks in place when it must, and offers to run it."""
    interactive = sys.stdin.isatty() and not as_json_
    with signed_in() as rest:
        session_id = session or _new_session(rest, edit)
        said = text or Prompt.ask("What do you want")
        completed = converse(rest, session_id, said, auto=auto or not interactive, quiet=as_json_)
        if as_json_:
            as_json(completed)
        workflow: Json | None = completed.get("workflow")
        if completed.get("outcome") in ("failed", "cancelled"):
            raise typer.Exit(Exit.FAILED)
        if workflow and interactive:
            console.print(f"{workflow['id']}  (session {session_id})", style="dim", markup=False)
            _offer_run(rest, workflow)


def converse(
    rest: Rest, session_id: str, text: str, *, auto: bool = False, quiet: bool = False
) -> Json:
    """Say something and see the turn through, questions included; the last event's data."""
    body: Json = {"text": text, "auto": auto}
    while True:
        path = f"/v1/sessions/{session_id}"
        events = rest.say(f"{path}/messages", body, f"{path}/events")
        completed, asked = _see(events, quiet=quiet)
        if completed.get("outcome") != "asked" or quiet or not sys.stdin.isatty():
            return completed
        body = {"text": "", "answers": {one["id"]: _ask(one) for one in asked}, "auto": auto}


def _see(events: Iterable[Event], *, quiet: bool) -> tuple[Json, list[Json]]:
    """Show a turn as it goes; what it ended with, and what it asked."""
    asked: list[Json] = []
    show = _Screen()
    for event in events:
        if not quiet:
            show(event)
        if event.type == "question.asked":
            asked += event.data["questions"]
        elif event.type == "gap.found":
            asked += [_gap_question(gap) for gap in event.data["gaps"]]
        elif event.type == "turn.completed":
            return event.data, asked
    return {}, asked


class _Screen:
    """What a person sees of a turn: stages in grey, words as they come, the workflow drawn."""

    def __init__(self) -> None:
        self._writing = ""
        self._showers: dict[str, Callable[[Json], None]] = {
            "stage.changed": self._stage,
            "message.delta": self._delta,
            "message.completed": self._message,
            "plan.proposed": self._plan,
            "workflow.draft": lambda data: console.print(workflow_tree(data["definition"])),
            "workflow.patch": self._patch,
            "validation.report": self._validation,
            "simulation.report": self._simulation,
            "error": lambda data: console.print(data["message"], style="red", markup=False),
        }

    def __call__(self, event: Event) -> None:
        if shower := self._showers.get(event.type):
            shower(event.data)

    def _stage(self, data: Json) -> None:
        console.print(f"· {data['stage']}", style="dim", markup=False)

    def _delta(self, data: Json) -> None:
        self._writing = data["message_id"]
        console.print(data["text"], end="", markup=False)

    def _message(self, data: Json) -> None:
        shown = self._writing == data["message_id"]
        console.print("" if shown else data["text"], markup=False)

    def _plan(self, data: Json) -> None:
        plan = data["plan"]
        console.print(Text.assemble(("Plan: ", "bold"), plan["title"], f" ({plan['trigger']})"))
        for step in plan["steps"]:
            console.print(f"  {'  ' * step.get('depth', 0)}- {step['text']}", markup=False)
        assumptions: list[str] = plan.get("assumptions") or []
        for assumption in assumptions:
            console.print(f"  assumed: {assumption}", style="yellow", markup=False)

    def _patch(self, data: Json) -> None:
        for change in data["patch"]:
            value = json.dumps(change.get("value"), ensure_ascii=False)
            console.print(f"  {change['op']} {change['path']} {value}", style="cyan", markup=False)
        console.print(workflow_tree(data["definition"]))

    def _validation(self, data: Json) -> None:
        for finding in data["findings"]:
            style = "red" if finding["severity"] == "error" else "yellow"
            console.print(
                f"  {finding['pointer']}: {finding['message']}", style=style, markup=False
            )

    def _simulation(self, data: Json) -> None:
        for effect in data["effects"]:
            console.print(f"  would do: {effect['summary']}", style="dim", markup=False)


def _new_session(rest: Rest, edit: str) -> str:
    body: Json = {"mode": "edit", "workflow_id": edit} if edit else {"mode": "create"}
    return str(rest.post("/v1/sessions", body)["id"])


def _gap_question(gap: Json) -> Json:
    """A gap is a question with its alternatives as choices."""
    choices = [
        {"value": one["id"], "label": one["label"], "detail": one["trade_off"]}
        for one in gap["alternatives"]
    ]
    return {
        "id": gap["id"],
        "text": f"There is no {gap['system']}. What instead?",
        "choices": choices,
    }


def _ask(question: Json) -> str:
    """Ask a person in place; a number chooses, any other text answers for itself."""
    console.print(question["text"], style="bold", markup=False)
    choices: list[Json] = question.get("choices") or []
    for number, choice in enumerate(choices, 1):
        detail = f": {choice['detail']}" if choice.get("detail") else ""
        console.print(f"  {number}. {choice['label']}{detail}", markup=False)
    answer = Prompt.ask(">", default=question.get("default") or None) or ""
    if answer.isdigit() and 0 < int(answer) <= len(choices):
        return str(choices[int(answer) - 1]["value"])
    return answer


def _offer_run(rest: Rest, workflow: Json) -> None:
    if Confirm.ask("Run it now?", default=False):
        started = rest.post(f"/v1/workflows/{workflow['id']}:run", {"input": {}})
        follow(rest, started["id"])

"""`flowloom chat`: say what you want, answer what is asked, look at the workflow, run it."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.prompt import Prompt
from rich.text import Text

from cli.commands.naming import only_id, resolve
from cli.commands.runs import follow
from cli.commands.workflows import AsJson, tell_active
from cli.drawing import Json, as_json, console, notices, workflow_tree
from cli.exits import Exit, Failure
from cli.rest import Event, Rest, signed_in


def chat(
    text: Annotated[
        str, typer.Argument(help="What you want, in your own words; - reads standard input.")
    ] = "",
    session: Annotated[
        str,
        typer.Option(
            help="Go on with a session, ses_….",
            callback=only_id("ses", "`flowloom chat` ends with it"),
        ),
    ] = "",
    edit: Annotated[
        str, typer.Option(metavar="WORKFLOW", help="Change this workflow: its id or its name.")
    ] = "",
    auto: Annotated[bool, typer.Option("--auto", help="Ask nothing; assume and say so.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Say what you want; get a workflow.

    On a terminal it asks what it must, draws the workflow, and goes on until you are content. In a
    pipe, or with --json, it assumes instead of asking. Fails when no workflow could be made.
    """
    if session and edit:
        raise typer.BadParameter("A session knows its workflow: give --session or --edit.")
    interactive = sys.stdin.isatty() and not as_json_
    said = _first_words(text)
    with signed_in() as rest:
        session_id = session or _new_session(rest, resolve(rest, edit) if edit else "")
        try:
            if not interactive:
                completed = converse(rest, session_id, said, auto=True, quiet=as_json_)
                _conclude(completed, session_id, as_json_=as_json_)
                return
            _talk(rest, session_id, said, auto=auto)
        except (KeyboardInterrupt, EOFError):
            notices.print(f"\nThe session is kept: flowloom chat --session {session_id}")
            raise typer.Exit(Exit.INTERRUPTED) from None


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


def _first_words(text: str) -> str:
    """What is said first: an argument, what a pipe brings, or the answer to a prompt."""
    if text == "-" or not (text or sys.stdin.isatty()):
        text = sys.stdin.read()
    elif not text:
        text = Prompt.ask("What do you want", console=console)
    if not text.strip():
        raise typer.BadParameter('Say what you want: flowloom chat "every morning at 8 …"')
    return text.strip()


def _talk(rest: Rest, session_id: str, said: str, *, auto: bool) -> None:
    """Go on turn by turn: whatever is no command is said to the consultant."""
    while True:
        completed = converse(rest, session_id, said, auto=auto)
        workflow: Json | None = completed.get("workflow")
        if workflow:
            console.print(f"{workflow['id']}  (session {session_id})", style="dim", markup=False)
        while True:
            offer = "Say what to change" if workflow else "Say more"
            commands = ", run, activate" if workflow else ""
            said = Prompt.ask(
                f"{offer}{commands}, or Enter to end",
                console=console,
                default="",
                show_default=False,
            )
            if said.strip() not in ("run", "activate") or not workflow:
                break
            _carry_out(rest, workflow["id"], said.strip())
        if not said.strip():
            break
    _conclude(completed, session_id, as_json_=False)


def _carry_out(rest: Rest, workflow_id: str, command: str) -> None:
    """Do what was chosen; if it fails, the talk goes on."""
    try:
        if command == "run":
            follow(rest, rest.post(f"/v1/workflows/{workflow_id}:run", {"input": {}})["id"])
        else:
            found = rest.post(f"/v1/workflows/{workflow_id}:activate")
            triggers = rest.get("/v1/triggers", workflow_id=workflow_id)["triggers"]
            tell_active(rest.url, found, triggers)
    except Failure as failure:
        notices.print(failure.message, style="red", markup=False)


def _conclude(completed: Json, session_id: str, *, as_json_: bool) -> None:
    """Say how to go on, and fail unless the last turn went well."""
    workflow: Json | None = completed.get("workflow")
    if as_json_:
        as_json({**completed, "session_id": session_id})
    elif workflow:
        console.print(
            f"Run it: flowloom run {workflow['id']} --watch\n"
            f"Turn its triggers on: flowloom workflows activate {workflow['id']}\n"
            f"Change it: flowloom chat --session {session_id}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
    if completed.get("outcome") not in ("delivered", "answered", "asked"):
        raise Failure(Exit.FAILED, "It ended without a workflow.")


def _see(events: Iterable[Event], *, quiet: bool) -> tuple[Json, list[Json]]:
    """Show a turn as it goes; what it ended with, and what it asked."""
    asked: list[Json] = []
    with _Screen() as show:
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
    """What a person sees of a turn: the stage it is in, what is said, the workflow drawn."""

    def __init__(self) -> None:
        # Draws on a terminal only.
        self._spinner = console.status("", spinner="dots", spinner_style="cyan")
        self._showers: dict[str, Callable[[Json], None]] = {
            "stage.changed": self._stage,
            "message.completed": self._message,
            "plan.proposed": self._plan,
            "workflow.draft": lambda data: console.print(workflow_tree(data["definition"])),
            "workflow.patch": self._patch,
            "validation.report": self._validation,
            "simulation.report": self._simulation,
            "error": lambda data: console.print(data["message"], style="red", markup=False),
        }

    def __enter__(self) -> "_Screen":
        return self

    def __exit__(self, *_: object) -> None:
        self._spinner.stop()

    def __call__(self, event: Event) -> None:
        if shower := self._showers.get(event.type):
            shower(event.data)

    def _stage(self, data: Json) -> None:
        self._spinner.update(str(data["stage"]))
        self._spinner.start()

    def _message(self, data: Json) -> None:
        text = str(data["text"])
        console.print(Markdown(text) if console.is_terminal else text, markup=False)

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
    answer = Prompt.ask(">", console=console, default=question.get("default") or None) or ""
    if answer.isdigit() and 0 < int(answer) <= len(choices):
        return str(choices[int(answer) - 1]["value"])
    return answer

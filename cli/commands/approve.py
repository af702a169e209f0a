"""`flowloom approve`: answer what a run asks; without an id, list what waits for an answer."""

from typing import Annotated

import typer

from cli.commands.naming import only_id
from cli.commands.workflows import AsJson
from cli.documents import read_value
from cli.drawing import Json, as_json, console, print_list, status
from cli.rest import Rest, signed_in
from cli.tables import Column, moment

_COLUMNS = (
    Column("id", "id"),
    Column("title", "question", weight=3, flexible=True),
    Column("run_id", "run", weight=1),
    Column("create_time", "asked", weight=2, show=moment),
)


def approve(
    approval: Annotated[
        str,
        typer.Argument(
            metavar="APPROVAL",
            help="Its id, apr_…; without one, what waits for an answer is listed.",
            callback=only_id("apr", "`flowloom approve` shows them"),
        ),
    ] = "",
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    comment: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    form: Annotated[
        str, typer.Option(help="What its form asks for: JSON, or @FILE, or @- for standard input.")
    ] = "",
    delegate: Annotated[
        str,
        typer.Option(metavar="WHOM", help="Let somebody else answer: an address or a user's id."),
    ] = "",
    as_json_: AsJson = False,
) -> None:
    """Answer what a run asks, hand it over, or list it. Nobody answers twice."""
    if not approval and (reject or comment or form or delegate):
        raise typer.BadParameter("Say which one: flowloom approve APPROVAL --reject")
    if delegate and (reject or form):
        raise typer.BadParameter("Either answer it, or let somebody else: not both.")
    with signed_in() as rest:
        if not approval:
            _list(list(rest.pages("/v1/approvals", "approvals", 200, status="pending")), as_json_)
            return
        if delegate:
            wish: Json = {"delegate": delegate, "comment": comment}
            answered = rest.post(f"/v1/approvals/{approval}:delegate", wish)
        else:
            answered = _answer(rest, approval, reject, comment, form)
    if as_json_:
        as_json(answered)
    else:
        console.print(answered["title"], status(answered["status"]))


def _answer(rest: Rest, approval: str, reject: bool, comment: str, form: str) -> Json:
    """Give the answer that fits: a form is submitted, everything else approved or rejected."""
    filled = read_value(form, "--form") if form else None
    asked = rest.get(f"/v1/approvals/{approval}")
    decision = "reject" if reject else "submit" if asked.get("kind") == "form" else "approve"
    answer: Json = {"decision": decision, "comment": comment}
    if filled is not None:
        answer["form"] = filled
    return rest.post(f"/v1/approvals/{approval}:answer", answer)


def _list(found: list[Json], as_json_: bool) -> None:
    if as_json_:
        as_json(found)
    else:
        print_list(found, _COLUMNS, "Nothing waits for an answer.")

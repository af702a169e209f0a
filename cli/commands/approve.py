"""`flowloom approve`: answer what a run asks; without an id, list what waits for an answer."""

from typing import Annotated

import typer

from cli.commands.workflows import AsJson
from cli.drawing import as_json, console, status, table
from cli.rest import signed_in

_COLUMNS = {"id": "id", "title": "question", "run_id": "run", "create_time": "asked"}


def approve(
    approval: Annotated[
        str, typer.Argument(metavar="[APPROVAL]", help="Its id, apr_…; lists them when absent.")
    ] = "",
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    comment: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    as_json_: AsJson = False,
) -> None:
    """Answer what a run asks, or list it. The first answer counts; a second one is refused."""
    with signed_in() as rest:
        if not approval:
            found = list(rest.pages("/v1/approvals", "approvals", 200, status="pending"))
            if as_json_:
                as_json(found)
            else:
                console.print(table(found, _COLUMNS) if found else "Nothing waits for an answer.")
            return
        decision = "reject" if reject else "approve"
        answered = rest.post(
            f"/v1/approvals/{approval}:answer", {"decision": decision, "comment": comment}
        )
    if as_json_:
        as_json(answered)
    else:
        console.print(answered["title"], status(answered["status"]))

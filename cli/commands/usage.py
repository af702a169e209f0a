"""`flowloom usage …`: what was used day by day, and the budgets that stop what would pass them."""

from typing import Annotated, Any

import typer

from cli.commands.workflows import AsJson
from cli.drawing import as_json, console, print_list
from cli.exits import Exit, Failure
from cli.rest import signed_in
from cli.tables import Column

app = typer.Typer(no_args_is_help=True)

Period = Annotated[str, typer.Argument(metavar="PERIOD", help="day or month.")]

_DAYS = (
    Column("day", "day"),
    Column("runs", "runs", weight=2),
    Column("nodes", "nodes", weight=1),
    Column("model_calls", "model calls", weight=2),
    Column("input_tokens", "tokens read", weight=3),
    Column("output_tokens", "written", weight=3),
    Column("cost_usd", "US dollars", weight=4),
)
_BUDGETS = (
    Column("period", "period"),
    Column("used_tokens", "tokens", weight=2),
    Column("max_tokens", "of at most", weight=3),
    Column("used_cost_usd", "US dollars", weight=2),
    Column("max_cost_usd", "of at most", weight=3),
)
_MOST_DAYS = 3_700


@app.command("list")
def list_(
    first: Annotated[
        str, typer.Option("--from", help="The first day, such as 2027-01-01; 30 days ago.")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="The last day (UTC); today.")] = "",
    as_json_: AsJson = False,
) -> None:
    """List what was used, day by day."""
    with signed_in() as rest:
        asked = {"first_day": first, "last_day": last}
        found = list(rest.pages("/v1/usage", "days", _MOST_DAYS, **asked))
    if as_json_:
        as_json(found)
    else:
        print_list(found, _DAYS, "Nothing was used in these days.")


@app.command()
def budgets(as_json_: AsJson = False) -> None:
    """List the budgets that are set, with what of them is used."""
    with signed_in() as rest:
        found = rest.get("/v1/budgets")["budgets"]
    if as_json_:
        as_json(found)
    else:
        print_list(found, _BUDGETS, "There are none. `flowloom usage set day --tokens N` sets one.")


@app.command("set")
def set_(
    period: Period,
    tokens: Annotated[int | None, typer.Option(help="At most so many tokens.")] = None,
    usd: Annotated[str, typer.Option(help="At most so many US dollars, such as 12.50.")] = "",
    as_json_: AsJson = False,
) -> None:
    """Set what language models may use in a day or a month; it replaces what was set."""
    if tokens is None and not usd:
        raise Failure(Exit.USAGE, "Say --tokens, --usd, or both.")
    limits: dict[str, Any] = {"max_cost_usd": usd}
    if tokens is not None:
        limits["max_tokens"] = tokens
    with signed_in() as rest:
        made = rest.put(f"/v1/budgets/{period}", limits)
    if as_json_:
        as_json(made)
    else:
        print_list([made], _BUDGETS, "")


@app.command()
def unset(period: Period, as_json_: AsJson = False) -> None:
    """Take the limits of a day or a month away."""
    with signed_in() as rest:
        rest.delete(f"/v1/budgets/{period}")
    if as_json_:
        as_json({"period": period})
    else:
        console.print(f"There is no budget for a {period} now.", markup=False)

"""What people call things by: a workflow by its id or its name, a run and an approval by its id."""

from collections.abc import Callable

import typer

from cli.exits import Exit, Failure
from cli.rest import Rest
from cli.tables import local_time
from shared.ids import is_id

_CANDIDATES = 200
_TOLD = 10


def resolve(rest: Rest, workflow: str) -> str:
    """A workflow's id, from its id or from a name that only one has.

    Raises:
        Failure: No workflow, or more than one, has this name.
    """
    if is_id("wf", workflow):
        return workflow
    wanted = workflow.casefold()
    alike = list(
        rest.pages("/v1/workflows", "workflows", _CANDIDATES, name_contains=workflow.strip())
    )
    found = [one for one in alike if one["name"].casefold() == wanted]
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        lines = [f"{len(found)} workflows are called {workflow!r}. Say which by its id:"]
    elif alike:
        lines = [f"No workflow is called {workflow!r}. Did you mean one of these?"]
    else:
        lines = [f"No workflow is called {workflow!r}. See `flowloom workflows list`."]
    lines += [
        f"  {one['id']}  {one['name']}  changed {local_time(one['update_time'])}"
        for one in (found or alike)[:_TOLD]
    ]
    raise Failure(Exit.FAILED, "\n".join(lines))


def only_id(noun: str, where: str) -> Callable[[str], str]:
    """Accepts the ids of one noun only, and says where to find them; an argument's callback."""

    def check(value: str) -> str:
        if value and not is_id(noun, value):
            raise typer.BadParameter(f"{value!r} is no id such as {noun}_…; {where}.")
        return value

    return check

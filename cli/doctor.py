"""`flowloom doctor`: looks at this machine and says what is wrong and how to mend it."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.checks import CHECKS
from cli.checks.finding import Finding, Patient, Severity
from cli.embedded.addresses import AGENT_PORT, ENGINE_PORT, GATEWAY_PORT
from cli.embedded.state import DEFAULT, StateDirectory
from cli.exits import Exit

_MARKS = {
    Severity.FINE: ("✓", "green"),
    Severity.NOTE: ("·", "yellow"),
    Severity.WRONG: ("✗", "red"),
}


def doctor(
    state_dir: Annotated[
        Path, typer.Option(help="The mesh to look at.", envvar="FLOWLOOM_STATE_DIR", readable=False)
    ] = DEFAULT,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="The port its gateway should have.")
    ] = GATEWAY_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is wrong on this machine and how to mend it.

    Exits with 0 when nothing is wrong (notes are not), with 1 otherwise.
    """
    patient = Patient(
        state=StateDirectory(state_dir),
        environment=os.environ,
        ports={"gateway": port, "agent": AGENT_PORT, "engine": ENGINE_PORT},
    )
    findings = asyncio.run(examine(patient))
    healthy = all(finding.severity is not Severity.WRONG for finding in findings)
    if as_json:
        typer.echo(json.dumps({"healthy": healthy, "findings": [*map(asdict, findings)]}, indent=2))
    else:
        _print(findings, healthy=healthy)
    raise typer.Exit(Exit.OK if healthy else Exit.FAILED)


async def examine(patient: Patient) -> Sequence[Finding]:
    """Run all checks at once; their findings come in the order of the list."""
    return [*chain.from_iterable(await asyncio.gather(*(check(patient) for check in CHECKS)))]


def _print(findings: Sequence[Finding], *, healthy: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark, color = _MARKS[finding.severity]
        console.print(
            Text.assemble((mark, color), f" {finding.subject:<{width}}  {finding.detail}")
        )
        if finding.mend:
            console.print(Text(f"  {'':<{width}}  → {finding.mend}", style="bold"))
    wrong = sum(finding.severity is Severity.WRONG for finding in findings)
    console.print(Text("Nothing is wrong." if healthy else f"{wrong} to mend.", style="bold"))

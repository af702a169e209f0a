"""`flowloom up`: starts the mesh on this machine, says where it is, and ends it on Ctrl-C."""

import asyncio
import os
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.embedded.addresses import GATEWAY_PORT
from cli.embedded.logs import Follower
from cli.embedded.mesh import Mesh, MeshOptions
from cli.embedded.placement import EmbeddedError
from cli.embedded.state import DEFAULT, MeshRecord, StateDirectory
from cli.embedded.supervisor import StopRequest
from cli.exits import Exit

errors = Console(stderr=True, highlight=False, soft_wrap=True)
console = Console(highlight=False, soft_wrap=True)
_COLORS = ("cyan", "magenta", "green", "yellow", "blue")


def up(
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="The gateway's port; 0 takes any free ones.",
            envvar="GATEWAY_PORT",
        ),
    ] = GATEWAY_PORT,
    host: Annotated[
        str, typer.Option(help="The address the gateway listens on.", envvar="GATEWAY_HOST")
    ] = "127.0.0.1",
    state_dir: Annotated[
        Path,
        typer.Option(
            help="Where data, secrets and logs live.", envvar="FLOWLOOM_STATE_DIR", readable=False
        ),
    ] = DEFAULT,
    engines: Annotated[int, typer.Option(min=1, max=16, help="How many engines share work.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show all logs.")] = False,
) -> None:
    """Start the mesh: PostgreSQL, Valkey, engine, agent and gateway.

    Ctrl-C lets what has begun finish, at most 30 seconds; a second one does not wait. PostgreSQL or
    Valkey are not started when DATABASE_URL or REDIS_URL name others. Other commands look for the
    mesh in .flowloom or where FLOWLOOM_STATE_DIR says.
    """
    options = MeshOptions(host=host, port=port, engines=engines, environment=_logging(verbose))
    raise typer.Exit(hold(StateDirectory(state_dir), options, verbose=verbose))


def hold(state: StateDirectory, options: MeshOptions, *, verbose: bool) -> Exit:
    """Run a mesh until a signal ends it; return the exit code once everything has been said."""
    try:
        asyncio.run(run_mesh(state, options, verbose=verbose))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED  # before the mesh could listen to it
    except EmbeddedError as error:
        errors.print(str(error), style="red", markup=False)
        return Exit.FAILED
    return Exit.OK


async def run_mesh(state: StateDirectory, options: MeshOptions, *, verbose: bool) -> None:
    """Run a mesh, and print what happens, until a signal ends it.

    Raises:
        EmbeddedError: the mesh could not start or lost a part.
    """
    stop = StopRequest()
    mesh = Mesh(state, options, say=_say)
    follower = Follower(state.logs, _show).following() if verbose else nullcontext()
    async with stop.by_signal(), follower:
        await mesh.run(stop, lambda ready: _print_ready(ready, state))
    _say("Everything has ended; the state is kept.")


def _logging(verbose: bool) -> dict[str, str]:
    """Logs that a person will watch are written for people, unless the environment says how."""
    return {"LOG_FORMAT": os.environ.get("LOG_FORMAT", "console" if verbose else "json")}


def _say(line: str) -> None:
    console.print(line, style="dim", markup=False)


def _show(name: str, line: str) -> None:
    color = _COLORS[sum(name.encode()) % len(_COLORS)]
    console.print(Text.assemble((f"{name:>9} ", color), line))


def _print_ready(mesh: MeshRecord, state: StateDirectory) -> None:
    """Say where everything is; secrets stay in the state directory."""
    table = Table.grid(padding=(0, 2))
    for name, address in (
        ("REST, SSE", mesh.gateway_url),
        ("API reference", f"{mesh.gateway_url}/docs"),
        ("agent (gRPC)", mesh.agent_address),
        ("engine (gRPC)", ", ".join(mesh.engine_addresses)),
        ("logs", mesh.logs),
    ):
        table.add_row(f"[bold]{name}[/bold]", address)
    console.print("[bold green]The mesh is ready.[/bold green] Ctrl-C ends it.")
    console.print(table)
    if state.path != StateDirectory(DEFAULT).path:
        place = shlex.quote(str(state.path))
        _say(f"Other commands find it with: export FLOWLOOM_STATE_DIR={place}")
    _say('Say what you want, in another terminal: flowloom chat "…"')

"""`flowloom`: the command line. Each command is one module; this one lists them.

A module is loaded when its command is used: gRPC or a database driver would make `flowloom --help`
and shell completion slow. Adding a command is one file (`cli/commands/<noun>.py` for what talks
REST) and one line in COMMANDS.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Annotated, Any

import typer

from cli.exits import Exit, Failure, describe


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of them, and where it lives.

    Attributes:
        target: `module:name` of a function or of a `typer.Typer` with subcommands.
        summary: What `flowloom --help` says; `flowloom NAME --help` says more.
    """

    name: str
    target: str
    summary: str

    def load(self) -> Any:
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


COMMANDS = (
    Command("up", "cli.up:up", "Start the mesh: PostgreSQL, Valkey, engine, agent and gateway."),
    Command("demo", "cli.commands.demo:demo", "Say a sentence, run what comes of it, show it all."),
    Command("doctor", "cli.doctor:doctor", "Say what is wrong on this machine and how to mend it."),
    Command("backup", "cli.backup:backup", "Keep database, files and secrets in a directory."),
    Command("restore", "cli.backup:restore", "Make a mesh of a backup."),
    Command("login", "cli.commands.login:login", "Sign in to a mesh, or sign up."),
    Command("token", "cli.commands.login:token", "Print headers for curl and grpcurl."),
    Command("chat", "cli.commands.chat:chat", "Say what you want; get a workflow."),
    Command("workflows", "cli.commands.workflows:app", "List, show and switch workflows."),
    Command("import", "cli.commands.workflows:import_file", "Create a workflow from a file."),
    Command("export", "cli.commands.workflows:export", "Print a workflow's definition."),
    Command("run", "cli.commands.runs:run", "Run a workflow, maybe watching it."),
    Command("runs", "cli.commands.runs:app", "List, show, follow, cancel and repeat runs."),
    Command("approve", "cli.commands.approve:approve", "Answer what a run asks, or list it."),
    Command("credentials", "cli.commands.credentials:app", "Keep the keys that nodes use."),
    Command("usage", "cli.commands.usage:app", "Tell what was used, and set what may be."),
)


def build(wanted: Sequence[str]) -> typer.Typer:
    """Build the application, loading the wanted commands; of the others only the summary shows."""
    app = typer.Typer(
        name="flowloom",
        help="Turns a sentence into a running automation.",
        epilog=describe(),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for command in COMMANDS:
        target = command.load() if command.name in wanted else None
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=command.name, help=command.summary)
        else:
            app.command(command.name, help=None if target else command.summary)(target or _unused)
    return app


def main() -> None:
    """Run the command line."""
    # The completion of a shell asks by environment and may be about any command.
    completing = "_FLOWLOOM_COMPLETE" in os.environ
    try:
        app = build([command.name for command in COMMANDS] if completing else sys.argv[1:])
        app(prog_name="flowloom")
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Failure as failure:
        typer.secho(failure.message, fg="red", err=True)
        sys.exit(failure.exit)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("flowloom"))
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version  # its callback has done the work


def _unused() -> None:
    """Stands for a command that the command line at hand does not use."""


if __name__ == "__main__":
    main()

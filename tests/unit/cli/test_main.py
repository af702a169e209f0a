"""The list of commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from cli.exits import Exit, describe
from cli.main import COMMANDS, Command, build


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_listed_command_exists_and_explains_itself(command: Command) -> None:
    target = command.load()
    assert command.summary.endswith(".")
    assert isinstance(target, typer.Typer) or target.__doc__


def test_names_are_unique() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


def test_help_loads_no_command() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from cli.main import COMMANDS, main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "modules = {command.target.partition(':')[0] for command in COMMANDS}\n"
        "sys.exit(' '.join(modules & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for command in COMMANDS:
        assert command.name in run.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["--version"], 0, version("flowloom")), (["nonsense"], 2, "nonsense"), ([], 2, "Usage")],
)
def test_command_line_without_a_command(arguments: list[str], code: int, said: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True
    )
    assert run.returncode == code
    assert said in run.stdout + run.stderr


def test_shell_completion_knows_the_options_of_a_command() -> None:
    asked = {"_FLOWLOOM_COMPLETE": "complete_bash", "COMP_WORDS": "flowloom up --st"}
    environment = {**os.environ, **asked, "COMP_CWORD": "2"}
    run = subprocess.run(
        [sys.executable, "-m", "cli.main"], capture_output=True, text=True, env=environment
    )
    assert run.stdout.split() == ["--state-dir"]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and subcommand by what is typed."""
    group = typer.main.get_command(build([command.name for command in COMMANDS]))
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        else:
            yield name, command


def test_every_command_but_three_offers_json() -> None:
    without = {
        name
        for name, command in commands()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"up", "demo", "export"}  # as README.md says


def test_every_command_explains_itself_and_its_options() -> None:
    for name, command in commands():
        assert (command.help or "").rstrip(".") != "", name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_a_port_that_is_none_is_a_mistake_of_the_command_line(port: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cli.main", "up", "--port", port], capture_output=True, text=True
    )
    assert run.returncode == Exit.USAGE
    assert "--port" in run.stderr
    assert "Traceback" not in run.stderr


def test_every_exit_code_is_documented() -> None:
    for code in Exit:
        assert f"{code.value} {code.meaning}" in describe()

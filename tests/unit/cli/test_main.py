"""The list of commands."""

import subprocess
import sys

import pytest
import typer

from cli.exits import Exit, describe
from cli.main import COMMANDS, Command


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


def test_every_exit_code_is_documented() -> None:
    for code in Exit:
        assert f"{code.value} {code.meaning}" in describe()

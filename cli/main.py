"""`flowloom`: the command line. Each command is one module; this one only lists them.

Exit codes: 0 it worked, 1 it failed and the message says why, 2 the command line makes no sense,
3 no mesh answers.
"""

import typer

from cli.up import up

app = typer.Typer(name="flowloom", help=__doc__, no_args_is_help=True)
app.command()(up)


@app.callback()
def _commands() -> None: ...


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()

"""JSON that people hand to a command: in a file, on standard input, or in the command line."""

import json
import sys
from pathlib import Path
from typing import Any

from cli.exits import Exit, Failure


def read_document(source: str) -> Any:
    """JSON from a file, `FILE` or `@FILE`, or from standard input, `-` or `@-`.

    Raises:
        Failure: It cannot be read or is not JSON.
    """
    name = source.removeprefix("@")
    told = "Standard input" if name == "-" else name
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_refuse)
    except OSError as error:
        raise Failure(Exit.USAGE, f"{told} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Failure(Exit.USAGE, f"{told} is not text in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise Failure(Exit.USAGE, f"{told} is not JSON: {error}.") from error


def read_value(given: str, option: str) -> Any:
    """JSON as an option has it: written out, or `@FILE`, or `@-`.

    Raises:
        Failure: It cannot be read or is not JSON.
    """
    if given.startswith("@"):
        return read_document(given)
    try:
        return json.loads(given, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Failure(
            Exit.USAGE, f"{option} is not JSON: {error}. A file is named with an @: @order.json"
        ) from error


def _refuse(constant: str) -> Any:
    """Python would read NaN and Infinity, which are no JSON."""
    raise ValueError(f"it has {constant}")

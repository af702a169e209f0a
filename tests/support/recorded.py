"""Recorded material from outside, which lies beside the repository on some machines only."""

import json
import re
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def lines_of(name: str) -> list[dict[str, Any]]:
    """The rows of a file with one JSON object a line."""
    with (DATA / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def json_of(name: str) -> Any:
    """The content of a JSON file."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def snake(name: str) -> str:
    """A camelCase name as a snake_case one."""
    return re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name)

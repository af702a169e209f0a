"""The threat model's proofs are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_proof_that_the_page_names_exists() -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)
    cells = [row.split("|")[4] for row in rows]
    named = {name for cell in cells for name in re.findall(r"`([\w/*.]+)`", cell)}
    assert len(named) > 5
    lost = [name for name in named if not any((ROOT / "tests").glob(f"**/{name}"))]
    assert lost == []

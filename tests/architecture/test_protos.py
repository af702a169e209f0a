"""The contract: it is well kept, compiles to what is installed, and breaks nobody."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"


def buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUF, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_contract_is_linted_and_formatted() -> None:
    for command in (["lint"], ["format", "--diff", "--exit-code"]):
        result = buf(*command)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_contract_breaks_nobody_who_speaks_the_committed_one() -> None:
    git = ROOT / ".git"
    if not git.is_dir():
        pytest.skip("not a git checkout: nothing to compare with")
    result = buf("breaking", "--against", f"{git}#ref=HEAD")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_proto_file_stays_readable() -> None:
    for path in (ROOT / "proto").rglob("*.proto"):
        assert path.read_text().count("\n") <= 320, path

"""Runs the PostgreSQL wheel's own programs (initdb, pg_ctl, psql) as the right account."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cli.embedded.logs import last_lines
from cli.embedded.placement import EmbeddedError, Placement


def run(
    placement: Placement,
    program: str,
    *arguments: str,
    script: str = "",
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run one program to its end, with `script` as its input.

    Raises:
        EmbeddedError: it failed; the message holds its output and the server's last words.
    """
    account = placement.account
    # Files, not pipes: pg_ctl's server inherits them, and a pipe would stay open while it lives.
    with tempfile.TemporaryFile("w+") as source, tempfile.TemporaryFile("w+") as output:
        source.write(script)
        source.seek(0)
        finished = subprocess.run(
            [str(placement.programs / program), *arguments],
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=placement.home,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
            start_new_session=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if finished.returncode != 0:
            output.seek(0)
            raise EmbeddedError(
                f"PostgreSQL's {program} failed:\n{output.read().strip()}\n"
                f"{last_lines(placement.log)}"
            )


def assign(name: str, value: str) -> str:
    """Return the psql line that sets a variable, so that no value ever becomes part of SQL."""
    return f"\\set {name} {quoted(value)}\n"


def quoted(value: str) -> str:
    """Quote a value for psql and for postgresql.conf, which agree on it."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def hand_over(placement: Placement, path: Path) -> None:
    """Give what we wrote to the account that the server runs as."""
    if placement.account is not None:
        os.chown(path, placement.account.uid, placement.account.gid)

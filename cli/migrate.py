"""Brings one service's schema to its latest revision, before that service is deployed.

    python -m cli.migrate engine_service

It runs in the service's own image with the service's own environment, which is looked at first: a
setting that still holds the placeholder which its secret began with ends it. Exit codes:
0 migrated, 1 it failed, 2 the environment is not complete.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from shared.errors import AppError
from shared.migrations import upgrade

SERVICES = ("gateway", "agent_service", "engine_service")
PLACEHOLDER = "PLACEHOLDER"  # infra/terraform writes it into secrets that a person must fill in


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate the schema that the arguments name; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m cli.migrate", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    service: str = parser.parse_args(arguments).service
    if wrong := _unfinished(os.environ):
        sys.stderr.write(f"{wrong}\n")
        return 2
    schema = service.removesuffix("_service")
    try:
        asyncio.run(upgrade(os.environ["DATABASE_URL"], _migrations(service), schema))
    except AppError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"The schema {schema} is at its latest revision.\n")
    return 0


def _unfinished(environment: Mapping[str, str]) -> str:
    """What is missing, in a sentence; empty when nothing is."""
    if not environment.get("DATABASE_URL"):
        return "DATABASE_URL is not set."
    unfilled = sorted(name for name, value in environment.items() if value.strip() == PLACEHOLDER)
    if unfilled:
        return (
            f"{', '.join(unfilled)}: still the placeholder. Put the real value into the secret of "
            "that name and deploy again; nothing was changed."
        )
    return ""


def _migrations(service: str) -> Path:
    """The service's Alembic folder; the service itself is not loaded."""
    spec = find_spec(service)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"There is no {service} in this image.")
    return Path(spec.submodule_search_locations[0]) / "migrations"


if __name__ == "__main__":
    sys.exit(main())

"""`flowloom backup` and `flowloom restore`: all that a mesh on this machine must not lose.

A backup is a directory: the database as of one moment, the files that runs keep, and the secrets
without which both are locked. It is made while the mesh works. What ran at that moment goes on from
there once the restored mesh is started; the world is asked again for what came later, under the
same idempotency keys.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.state import DEFAULT, StateDirectory
from cli.exits import Exit, Failure

_DUMP, _BLOBS, _SECRETS, _ABOUT = "flowloom.dump", "blobs", "secrets.json", "backup.json"
State = Annotated[
    Path, typer.Option(help="The mesh's directory.", envvar="FLOWLOOM_STATE_DIR", readable=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def backup(
    target: Annotated[Path, typer.Argument(help="A directory that does not exist yet.")],
    state_dir: State = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Keep the mesh's database, files and secrets in a directory, while it works.

    Whoever has the directory has everything: keep it as you keep a password.
    """
    state = StateDirectory(state_dir)
    _refuse_other_servers()
    if not state.postgres.exists():
        raise Failure(Exit.FAILED, f"There is no mesh in {state.path}.")
    if target.exists():
        raise Failure(Exit.FAILED, f"{target} exists; a backup never replaces another.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as partial:
        about = asyncio.run(_backup(state, Path(partial)))
        # In one step: what is not whole has another name.
        Path(partial).rename(target)
    _say(as_json, f"{target} holds everything as of {about['created_at']}.", about)


def restore(
    source: Annotated[Path, typer.Argument(help="What `flowloom backup` made.")],
    state_dir: State = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make a mesh of a backup, in a directory that holds none; `flowloom up` then starts it."""
    state = StateDirectory(state_dir)
    _refuse_other_servers()
    about = _read(source)
    if state.postgres.exists() or state.postgres.is_symlink():
        raise Failure(
            Exit.FAILED,
            f"{state.path} holds a mesh already. Restore beside it with --state-dir, look at it, "
            "and then choose.",
        )
    asyncio.run(_restore(state, source))
    _say(as_json, f"{state.path} is the mesh of {about['created_at']}. Start it.", about)


async def _backup(state: StateDirectory, target: Path) -> dict[str, str]:
    secrets = state.secrets()
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    async with _running(state) as postgres:
        await postgres.dump(target / _DUMP)
    # After the database, so that every file that it names is there.
    await asyncio.to_thread(_copy_files, state.blobs, target / _BLOBS)
    _write(target / _SECRETS, dict(secrets))
    about = {"created_at": created_at, "version": version("flowloom")}
    _write(target / _ABOUT, about)
    return about


async def _restore(state: StateDirectory, source: Path) -> None:
    with state.claim():
        await asyncio.to_thread(_copy_files, source / _BLOBS, state.blobs)
        shutil.copyfile(source / _SECRETS, state.secrets_file)
        state.secrets_file.chmod(0o600)
    async with _running(state) as postgres:
        await _make_roles(postgres)
        await postgres.restore(source / _DUMP)


def _copy_files(source: Path, target: Path) -> None:
    """Copy a directory in which files come and go; those that go meanwhile are nobody's."""

    def copy(one: str, to: str) -> None:
        with suppress(FileNotFoundError):
            shutil.copy2(one, to)

    shutil.copytree(source, target, copy_function=copy, dirs_exist_ok=True)


async def _make_roles(postgres: EmbeddedPostgres) -> None:
    """Have the roles that the backup's tables belong to: whatever migrates makes them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.migrate", "gateway"),
        env={**os.environ, "DATABASE_URL": postgres.url()},
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise Failure(Exit.FAILED, "The database could not be prepared.")


@asynccontextmanager
async def _running(state: StateDirectory) -> AsyncGenerator[EmbeddedPostgres]:
    """The mesh's PostgreSQL; started, and stopped again, where the mesh does not run."""
    postgres = EmbeddedPostgres(state.postgres, state.secrets()["postgres_password"])
    if state.is_held():
        yield postgres
        return
    with state.claim():
        await postgres.start()
        try:
            yield postgres
        finally:
            await postgres.stop()


def _refuse_other_servers() -> None:
    if os.environ.get("DATABASE_URL"):
        raise Failure(
            Exit.USAGE,
            "DATABASE_URL names a PostgreSQL of your own: back it up with pg_dump, as "
            "docs/operations.md says.",
        )


def _read(source: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((source / _ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"{source} is no backup: {error}") from error
    missing = [name for name in (_DUMP, _BLOBS, _SECRETS) if not (source / name).exists()]
    if missing:
        raise Failure(Exit.FAILED, f"{source} is not whole: {', '.join(missing)} is missing.")
    return about


def _write(target: Path, content: dict[str, str]) -> None:
    target.touch(mode=0o600)
    target.write_text(json.dumps(content, indent=2))


def _say(as_json: bool, sentence: str, about: dict[str, str]) -> None:
    typer.echo(json.dumps(about) if as_json else sentence)

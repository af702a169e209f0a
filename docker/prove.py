"""Builds the three images and runs them, on a machine without Docker: root and Debian's buildah do.

    docker/prove.py                      the official base image and probe, by their digests
    docker/prove.py --local              neither registry nor GitHub is reached: the base is made by
                                         debootstrap, and `cli.health_probe` stands in for the probe

Each image runs as its own configuration says (user, environment, command) on a root file system
that is really read-only, in a network of its own that has nothing but the loopback device. There
PostgreSQL and Valkey are started, the schemas migrated, the services started, their health checks
executed inside until they hold, and everything ended by SIGTERM. Exit code 0: all of it went well.
"""

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"engine": "engine_service", "agent": "agent_service", "gateway": "gateway"}
_TAG = "proof"
_LOCAL_BASE = "localhost/python-base"
_SUBSTITUTE = '#!/bin/sh\nexec python -m cli.health_probe "$@"\n'
_BASE_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_HEALTHY_WITHIN_SECONDS, _ENDED_WITHIN_SECONDS = 120, 30


class Unproved(Exception):
    """Something did not go as promised; the message says what."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: where its file system is, and what its configuration says."""

    service: str
    root: str
    user: str
    environment: Mapping[str, str]
    command: Sequence[str]
    health_check: Sequence[str]

    def inside(self, *command: str) -> tuple[str, ...]:
        """A command line that runs another one inside, as the image's user."""
        return ("chroot", f"--userspec={self.user}", "--groups=", self.root, *command)


def main() -> int:
    """Prove everything; the process's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", action="store_true", help="make the base and the probe here")
    parser.add_argument("--store", type=Path, default=Path("/var/tmp/flowloom-images"))
    parser.add_argument("--run", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.run:
            images = [Image(**described) for described in given.run]
            _isolate(images)
            asyncio.run(_run(images))
        else:
            _build_and_run(_Buildah(given.store), local=given.local)
    except (Unproved, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


class _Buildah:
    """Debian's buildah with a store of its own."""

    def __init__(self, store: Path) -> None:
        store.mkdir(parents=True, exist_ok=True)
        driver = os.environ.get("STORAGE_DRIVER", "overlay")
        self.program = ("buildah", "--storage-driver", driver)
        self.program += ("--root", str(store / "images"), "--runroot", str(store / "run"))

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            (*self.program, *arguments), check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()


def _build_and_run(buildah: _Buildah, *, local: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        _copy_sources(context)
        _build(buildah, context, _make_local_parts(buildah, context) if local else [])
    containers: list[str] = []
    try:
        images = [_open(buildah, service, containers) for service in PACKAGES]
        # Its own mounts and its own network; both end with it.
        subprocess.run(
            ("unshare", "--mount", "--net", sys.executable, __file__, "--run", json.dumps(images)),
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    finally:
        for container in containers:
            buildah("umount", container)
            buildah("rm", container)


def _copy_sources(context: Path) -> None:
    """What git knows, as it is on disk: a builder sees no more on a clean checkout."""
    listed = subprocess.run(
        ("git", "ls-files", "-z"), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, context / name)


def _make_local_parts(buildah: _Buildah, context: Path) -> list[str]:
    """The base and the probe's substitute; the builder's arguments that name them."""
    if _LOCAL_BASE not in buildah("images", "--format", "{{.Name}}"):
        with tempfile.TemporaryDirectory() as folder:
            packages = f"--include={_BASE_PACKAGES}"
            subprocess.run(
                ("debootstrap", "--variant=minbase", packages, "bookworm", folder), check=True
            )
            (Path(folder) / "usr/local/bin/python").symlink_to("../../bin/python3")
            trusted = Path("etc/ssl/certs/ca-certificates.crt")
            shutil.copy2(Path("/") / trusted, Path(folder) / trusted)
            container = buildah("from", "scratch")
            buildah("add", "--quiet", container, folder, "/")
            buildah("commit", "--quiet", "--rm", container, _LOCAL_BASE)
    (context / "docker" / "grpc_health_probe").write_text(_SUBSTITUTE)
    checksum = hashlib.sha256(_SUBSTITUTE.encode()).hexdigest()
    return [
        *("--pull-never", "--build-arg", f"PYTHON_IMAGE={_LOCAL_BASE}"),
        *("--build-arg", "GRPC_HEALTH_PROBE_URL=file:///src/docker/grpc_health_probe"),
        *("--build-arg", f"GRPC_HEALTH_PROBE_SHA256={checksum}"),
    ]


def _build(buildah: _Buildah, context: Path, arguments: Sequence[str]) -> None:
    builder = (*buildah.program, "build", "--layers", "--format", "docker")
    subprocess.run(
        (context / "docker" / "build", _TAG, *arguments),
        env={**os.environ, "BUILDER": " ".join(builder), "BUILDAH_ISOLATION": "chroot"}
        | {"GIT_DIR": _git_directory()},
        check=True,
    )


def _git_directory() -> str:
    done = subprocess.run(
        ("git", "rev-parse", "--absolute-git-dir"),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()


def _open(buildah: _Buildah, service: str, containers: list[str]) -> dict[str, Any]:
    """Mount an image; an `Image`, as JSON has it."""
    name = f"localhost/flowloom-{service}:{_TAG}"
    config = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
    container = buildah("from", "--pull-never", name)
    containers.append(container)
    return {
        "service": service,
        "root": buildah("mount", container),
        "user": config["User"],
        "environment": dict(setting.split("=", 1) for setting in config["Env"]),
        "command": config["Cmd"],
        "health_check": config["Healthcheck"]["Test"][1:],
    }


async def _run(images: Sequence[Image]) -> None:
    """Within the new namespaces: servers, schemas, services, health, end."""
    with tempfile.TemporaryDirectory(prefix="flowloom-proof-") as folder:
        async with _servers(Path(folder)) as settings:
            await _check_refusals(images, settings)
            for image in images:
                said = await _migrate(image, settings)
                _say(f"{image.service} schema", said=said)
            await _serve(images, settings)


def _isolate(images: Sequence[Image]) -> None:
    """Furnish the new namespaces."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    for image in images:
        _seal(image.root)


def _seal(root: str) -> None:
    """Make a root file system read-only, with the devices and processes that any container has."""
    for command in (
        ("mount", "--bind", root, root),
        ("mount", "--types", "proc", "proc", f"{root}/proc"),
        ("mount", "--rbind", "/dev", f"{root}/dev"),
        ("mount", "--options", "remount,bind,ro", root),
    ):
        subprocess.run(command, check=True)


@asynccontextmanager
async def _servers(home: Path) -> AsyncGenerator[dict[str, str]]:
    """PostgreSQL and Valkey; what services must be told."""
    postgres = EmbeddedPostgres(home / "postgres", secrets.token_hex(8))
    valkey = EmbeddedValkey(home / "valkey", secrets.token_hex(8))
    await asyncio.gather(postgres.start(), valkey.start())
    try:
        yield {
            "DATABASE_URL": postgres.url(),
            "REDIS_URL": valkey.url(),
            "MESH_SECRET": secrets.token_hex(32),
            "AGENT_ADDRESS": "localhost:50051",
            "ENGINE_ADDRESS": "localhost:50052",
        }
    finally:
        await asyncio.gather(postgres.stop(), valkey.stop())


async def _check_refusals(images: Sequence[Image], settings: Mapping[str, str]) -> None:
    """An image can write nowhere, is not root, and is not deployed with placeholders."""
    for image in images:
        code, said = await _execute(image, "sh", "-c", "id -u; touch /opt/flowloom/x /tmp/x")
        if code == 0 or not said.startswith("65532\n") or said.count("Read-only file system") != 2:
            raise Unproved(f"{image.service} can write or is somebody: {said}")
        unfilled = {**settings, "MESH_SECRET": "PLACEHOLDER"}
        code, said = await _execute(image, *_migration(image), settings=unfilled)
        if code != 2 or not said.startswith("MESH_SECRET: still the placeholder."):
            raise Unproved(f"{image.service} would be deployed with a placeholder: {said}")
    _say("read-only root, user 65532, no placeholders", images=len(images))


def _migration(image: Image) -> tuple[str, ...]:
    return ("python", "-m", "cli.migrate", PACKAGES[image.service])


async def _migrate(image: Image, settings: Mapping[str, str]) -> str:
    code, said = await _execute(image, *_migration(image), settings=settings)
    if code != 0:
        raise Unproved(f"{image.service}: its schema was not migrated: {said}")
    return said.strip()


async def _serve(images: Sequence[Image], settings: Mapping[str, str]) -> None:
    """Start the services, wait until their own health checks hold, end them."""
    running: list[tuple[Image, asyncio.subprocess.Process]] = []
    try:
        for image in images:
            process = await _start(image, settings, *image.command)
            running.append((image, process))
        for image, process in running:
            _say(f"{image.service} healthy", seconds=await _wait_until_healthy(image, process))
        gateway = next(image for image in images if image.service == "gateway")
        code, said = await _execute(gateway, "curl", "-sf", "http://localhost:8000/ready")
        if code != 0:
            raise Unproved(f"The gateway is not ready: {said}")
        _say("gateway ready", said=said)
        for image, process in reversed(running):
            _say(f"{image.service} ended by SIGTERM", seconds=await _end(image, process))
    finally:
        for _, process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _start(
    image: Image, settings: Mapping[str, str], *command: str, output: int | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *image.inside(*command),
        env={**image.environment, **settings},
        cwd="/",
        stdout=output,
        stderr=asyncio.subprocess.STDOUT if output else None,
    )


async def _execute(
    image: Image, *command: str, settings: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """Run a command inside to its end; its exit code and what it said."""
    process = await _start(image, settings or {}, *command, output=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def _wait_until_healthy(image: Image, service: asyncio.subprocess.Process) -> float:
    started_at = time.monotonic()
    while service.returncode is None:
        code, said = await _execute(image, *image.health_check)
        seconds = time.monotonic() - started_at
        if code == 0:
            return round(seconds, 1)
        if seconds > _HEALTHY_WITHIN_SECONDS:
            raise Unproved(f"{image.service} is not healthy after {seconds:.0f} s: {said}")
        await asyncio.sleep(0.5)
    raise Unproved(f"{image.service} ended with exit code {service.returncode}")


async def _end(image: Image, service: asyncio.subprocess.Process) -> float:
    started_at = time.monotonic()
    service.terminate()
    try:
        async with asyncio.timeout(_ENDED_WITHIN_SECONDS):
            code = await service.wait()
    except TimeoutError:
        raise Unproved(f"{image.service} did not end in {_ENDED_WITHIN_SECONDS} s") from None
    if code != 0:
        raise Unproved(f"{image.service} ended with exit code {code}")
    return round(time.monotonic() - started_at, 1)


def _say(what: str, **facts: object) -> None:
    told = ", ".join(f"{name}: {fact}" for name, fact in facts.items())
    sys.stdout.write(f"{what} ({told})\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

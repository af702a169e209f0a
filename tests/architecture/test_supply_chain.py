"""What comes in and what must not go out: hashes, bills of materials, secrets, careless workflows.

Long but for the lock: scanners are fetched from the registry and kept in uv's cache.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.isolated import isolated

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_ZIZMOR = "zizmor==1.32.0"
_SCHEMA = "check-jsonschema==0.38.0"
_DETECT_SECRETS = "detect-secrets==1.5.0"
# Those that know what a vendor's key looks like. Entropy and the word "password" are found in every
# test of a login.
_GUESSING = (
    "Base64HighEntropyString",
    "BasicAuthDetector",
    "HexHighEntropyString",
    "KeywordDetector",
)


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


def test_everything_that_is_locked_has_hashes_and_nothing_comes_from_elsewhere() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==[^ \\\n]+", entry), entry.partition("\n")[0]
        assert "--hash=sha256:" in entry, entry.partition("\n")[0]
    assert "://" not in LOCK


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_images_bill_of_materials_is_what_the_image_installs() -> None:
    made = run("docker/sbom", "gateway")
    assert made.returncode == 0, made.stderr
    bill: dict[str, Any] = json.loads(made.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    components = {part["name"].lower(): part for part in bill["components"]}
    assert {"grpcio", "pydantic", "fastapi"} <= set(components)
    assert {"pytest", "langgraph"}.isdisjoint(components)
    for name, part in components.items():
        assert f"{name}=={part['version']}" in LOCK.lower().replace("_", "-")
        hashes = [
            one["content"]
            for reference in part["externalReferences"]
            for one in reference.get("hashes", ())
        ]
        assert hashes, name
        assert all(f"sha256:{digest}" in LOCK for digest in hashes)


@pytest.mark.long
def test_nobodys_key_is_in_the_sources() -> None:
    assert secrets_in(ROOT) == []


@pytest.mark.long
def test_a_key_would_be_found(tmp_path: Path) -> None:
    planted = "AKIA" + "IOSFODNN7" + "ABCDEFG"
    (tmp_path / "settings.py").write_text(f'ACCESS = "{planted}"\n')
    run("git", "init", "--quiet", cwd=tmp_path)
    run("git", "add", ".", cwd=tmp_path)
    assert secrets_in(tmp_path) == ["settings.py:1 AWS Access Key"]


def secrets_in(folder: Path) -> list[str]:
    """What looks like a secret in what git knows there."""
    without = [word for name in _GUESSING for word in ("--disable-plugin", name)]
    done = run(*isolated(_DETECT_SECRETS), "detect-secrets", "scan", *without, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)["results"]
    return [
        f"{path}:{one['line_number']} {one['type']}" for path, all_ in found.items() for one in all_
    ]


@pytest.mark.long
def test_workflows_are_what_github_takes() -> None:
    schema = ("check-jsonschema", "--builtin-schema", "vendor.github-workflows")
    done = run(*isolated(_SCHEMA), *schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_workflows_are_careful() -> None:
    options = ("--offline", "--no-progress", "--min-severity=medium")
    done = run(*isolated(_ZIZMOR), "zizmor", *options, ROOT / ".github" / "workflows")
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_a_careless_workflow_would_be_found(tmp_path: Path) -> None:
    careless = tmp_path / ".github" / "workflows" / "careless.yml"
    careless.parent.mkdir(parents=True)
    careless.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - run: echo ${{ github.event.pull_request.title }}\n"
    )
    done = run(*isolated(_ZIZMOR), "zizmor", "--offline", "--no-progress", careless)
    assert done.returncode > 0
    assert "template-injection" in done.stdout

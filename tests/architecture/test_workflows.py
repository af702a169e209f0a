"""The workflows on GitHub: pinned, without keys, and harmless in pull requests."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_CHANGES = ("terraform apply", "infra/deploy", "--push", "configure-aws-credentials")


@cache
def workflow(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def triggers(path: Path) -> dict[str, Any]:
    return workflow(path)[True]  # YAML 1.1 reads `on` as a truth value


def steps(path: Path) -> list[dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = workflow(path)["jobs"]
    return [step for job in jobs.values() for step in job.get("steps", ())]


def named(name: str) -> Path:
    return ROOT / ".github" / "workflows" / f"{name}.yml"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_say_which_version_that_is(path: Path) -> None:
    uses = [step["uses"] for step in steps(path) if "uses" in step]
    assert uses
    text = path.read_text()
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.search(rf"{re.escape(action)} # v?\d+\.\d+\.\d+$", text, re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_permissions_are_the_least(path: Path) -> None:
    assert workflow(path)["permissions"] == {"contents": "read"}
    for job in workflow(path)["jobs"].values():
        assert set(job.get("permissions", {})) <= {"contents", "id-token"}
        assert job.get("permissions", {}).get("contents", "read") == "read"
        # Whoever may act as somebody at AWS does so behind an environment's rules.
        assert "id-token" not in job.get("permissions", {}) or job["environment"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_there_are_no_keys_and_no_text_of_strangers_in_scripts(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text
    assert "pull_request_target" not in text
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_pull_request_changes_nothing(path: Path) -> None:
    if "pull_request" not in triggers(path):
        return
    for job in workflow(path)["jobs"].values():
        by_hand = "github.event_name == 'workflow_dispatch'" in str(job.get("if", ""))
        assert by_hand or not [change for change in _CHANGES if change in str(job)]
        assert by_hand or "id-token" not in str(job.get("permissions", ""))


def test_nothing_is_deployed_untested() -> None:
    deploy = workflow(named("deploy"))["jobs"]["deploy"]
    assert deploy["needs"] == "test"
    assert workflow(named("deploy"))["jobs"]["test"]["uses"] == "./.github/workflows/test.yml"
    done = [str(step.get("run", step.get("uses"))) for step in deploy["steps"]]
    order = ["--load", "trivy-action", "configure-aws-credentials", "--push", "infra/deploy"]
    positions = [next(i for i, step in enumerate(done) if part in step) for part in order]
    assert positions == sorted(positions)


def test_every_image_is_scanned() -> None:
    scanned = [
        step["with"]["image-ref"]
        for step in steps(named("deploy"))
        if "trivy-action" in step.get("uses", "")
    ]
    assert scanned == [
        f"localhost/flowloom-{service}:${{{{ env.TAG }}}}"
        for service in ("gateway", "agent", "engine")
    ]


def test_every_image_has_a_bill_of_materials_that_is_kept() -> None:
    done = [str(step.get("run", step.get("uses"))) for step in steps(named("deploy"))]
    made = next(i for i, step in enumerate(done) if "docker/sbom" in step)
    assert "for service in gateway agent engine" in done[made]
    assert "upload-artifact" in done[made + 1]
    assert "--sbom=true" in "".join(done)


def test_what_comes_in_is_audited() -> None:
    audit = str(workflow(named("test"))["jobs"]["audit"])
    assert "pip-audit" in audit
    assert "--require-hashes" in audit
    assert "npm audit" in audit


def test_infrastructure_is_applied_by_hand_and_from_main_only() -> None:
    change = workflow(named("infrastructure"))["jobs"]["change"]
    assert change["if"] == (
        "github.event_name == 'workflow_dispatch' && github.ref == 'refs/heads/main'"
    )
    assert [step["if"] for step in change["steps"] if "apply" in step.get("run", "")] == [
        "inputs.apply"
    ]

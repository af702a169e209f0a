"""infra/terraform tells each service what that service reads, and treats it as it wants to be
treated: ports, commands, settings, health checks, time to stop."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
from hcl2.api import loads  # pyright: ignore[reportUnknownVariableType] (untyped)
from pydantic_settings import BaseSettings

from agent_service.settings import Settings as AgentSettings
from cli.migrate import PLACEHOLDER
from engine_service.settings import Settings as EngineSettings
from gateway.settings import Settings as GatewaySettings
from tests.architecture.test_docker import HEALTH_CHECKS, PACKAGES, PORTS, START_SECONDS

TERRAFORM = Path(__file__).resolve().parents[2] / "infra" / "terraform"
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "agent": AgentSettings,
    "engine": EngineSettings,
}
SERVICES = tuple(SETTINGS)
ENVIRONMENTS = sorted(path.stem for path in (TERRAFORM / "environments").glob("*.tfvars"))


@cache
def hcl(path: str) -> dict[str, Any]:
    text = (TERRAFORM / path).read_text()
    return cast("dict[str, Any]", loads(text))


def locals_of(path: str) -> dict[str, Any]:
    return {name: value for block in hcl(path)["locals"] for name, value in block.items()}


def module(name: str) -> dict[str, Any]:
    return next(block[name] for block in hcl("main.tf")["module"] if name in block)


def resource(path: str, kind: str, name: str) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = hcl(path)["resource"]
    return next(block[kind][name] for block in blocks if name in block.get(kind, {}))


def documents(path: str, name: str) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = hcl(path)["data"]
    kind = "aws_iam_policy_document"
    return next(block[kind][name] for block in blocks if name in block.get(kind, {}))


def environment(name: str) -> dict[str, Any]:
    return hcl(f"environments/{name}.tfvars")


def settings_of(service: str) -> dict[str, Any]:
    """The environment variables that a service reads, each with its field."""
    return {name.upper(): field for name, field in SETTINGS[service].model_fields.items()}


def plain_settings(service: str) -> set[str]:
    return set(re.findall(r'"([A-Z][A-Z0-9_]+)": ', module(service)["environment"]))


def secret_settings(service: str) -> set[str]:
    shared = cast("dict[str, str]", locals_of("main.tf")["shared_secrets"])
    return {*shared, *re.findall(r'"([A-Z][A-Z0-9_]+)": ', module(service)["secrets"])}


def given(name: str, variable: str, service: str) -> set[str]:
    return set(environment(name).get(variable, {}).get(service, ()))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_what_it_requires(service: str) -> None:
    required = {name for name, field in settings_of(service).items() if field.is_required()}
    assert required <= plain_settings(service) | secret_settings(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_nothing_that_it_does_not_read(service: str) -> None:
    told = plain_settings(service) | secret_settings(service)
    for name in ENVIRONMENTS:
        told |= given(name, "settings", service) | given(name, "given_secrets", service)
    assert told <= set(settings_of(service))


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_secret_comes_from_secrets_and_nothing_else_does(service: str) -> None:
    secret = {name for name, field in settings_of(service).items() if "Secret" in str(field)}
    open_, closed = plain_settings(service), secret_settings(service)
    for name in ENVIRONMENTS:
        open_ |= given(name, "settings", service)
        closed |= given(name, "given_secrets", service)
    assert (open_ & secret, closed - secret) == (set(), set())


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("service", SERVICES)
def test_the_values_are_such_as_the_service_takes(name: str, service: str) -> None:
    values: dict[str, Any] = environment(name).get("settings", {}).get(service, {})
    required = {key for key, field in settings_of(service).items() if field.is_required()}
    # What Terraform finds out stands here as an example.
    examples = dict.fromkeys(required, "x" * 32) | {"DATABASE_URL": "postgresql://me@host/data"}
    settings = SETTINGS[service].model_validate(
        {key.lower(): value for key, value in (examples | values).items()}
    )
    assert settings.model_fields_set >= {key.lower() for key in values}


@pytest.mark.parametrize("service", SERVICES)
def test_ports_commands_and_health_checks_are_the_images(service: str) -> None:
    told, check = module(service), module(service)["health_check"]
    assert locals_of("main.tf")["ports"][service] == PORTS[service]
    assert told["port"] == f"${{local.ports.{service}}}"
    assert told["package"] == PACKAGES[service]
    assert find_spec(f"{told['package']}.__main__")
    assert check["command"] == ["CMD", *HEALTH_CHECKS[service]]
    assert check["start_period_seconds"] == START_SECONDS[service]
    container = locals_of("modules/service/main.tf")["container"]
    assert container["command"] == ["python", "-m", "${var.package}"]
    assert container["healthCheck"]["startPeriod"] == "${var.health_check.start_period_seconds}"


def test_nobody_asks_a_grpc_port_over_http() -> None:
    assert [module(name)["protocol"] for name in SERVICES] == ["http", "grpc", "grpc"]
    assert all("curl" not in str(module(name)["health_check"]) for name in ("agent", "engine"))


def test_containers_can_do_no_more_than_they_must() -> None:
    container = locals_of("modules/service/main.tf")["container"]
    assert container["user"] == "65532:65532"
    assert (container["readonlyRootFilesystem"], container["privileged"]) == (True, False)
    assert container["linuxParameters"]["capabilities"] == {"add": [], "drop": ["ALL"]}


def test_a_stopping_service_has_time_to_drain() -> None:
    """Draining, then the three seconds that calls under way are given; Fargate allows 120."""
    bounds = GatewaySettings.model_fields["drain_seconds"].metadata
    most = next(bound.le for bound in bounds if hasattr(bound, "le"))
    assert most + 3 < locals_of("main.tf")["stop_timeout_seconds"] <= 120


def test_the_load_balancer_is_patient_with_event_streams_but_not_too_long() -> None:
    patience = locals_of("main.tf")["idle_timeout_seconds"]
    heartbeat = GatewaySettings.model_fields["gateway_heartbeat_seconds"].default
    source = (TERRAFORM.parents[1] / "gateway" / "server.py").read_text()
    keep_alive = re.search(r"timeout_keep_alive=(\d+)", source)
    assert keep_alive
    assert 2 * heartbeat < patience < int(keep_alive[1])


def test_a_failed_deployment_is_rolled_back() -> None:
    service = resource("modules/service/main.tf", "aws_ecs_service", "this")
    assert service["deployment_circuit_breaker"] == [{"enable": True, "rollback": True}]
    assert service["deployment_minimum_healthy_percent"] == 100


def test_the_engine_alone_keeps_files_and_has_a_place_to_unpack_them() -> None:
    """Its root file system is read-only, and tasks come and go."""
    assert '"ENGINE_BLOB_URL": "${module.data.files_url}"' in module("engine")["environment"]
    assert module("engine")["access_policies"] == {"files": "${module.data.files_access}"}
    assert module("engine")["scratch"] is True
    assert all("access_policies" not in module(name) for name in ("gateway", "agent"))
    statements = documents("modules/data/files.tf", "files")["statement"]
    allowed = {action for statement in statements for action in statement["actions"]}
    assert not [action for action in allowed if "*" in action]


@pytest.mark.parametrize("service", ["gateway", "engine"])
def test_links_lead_to_where_people_find_the_gateway(service: str) -> None:
    setting = f'"{service.upper()}_PUBLIC_URL": "https://${{var.domain_name}}"'
    assert setting in module(service)["environment"]


def test_streams_between_services_are_not_cut_off() -> None:
    """Service Connect ends requests after 15 seconds unless it is told otherwise."""
    text = (TERRAFORM / "modules/service/main.tf").read_text()
    assert re.search(r"per_request_timeout_seconds = 0\n", text)


def test_images_have_tags_that_never_move() -> None:
    repository = resource("modules/registry/main.tf", "aws_ecr_repository", "service")
    assert repository["image_tag_mutability"] == "IMMUTABLE"
    assert all("image_tag" not in environment(name) for name in ENVIRONMENTS)


def test_the_placeholder_is_the_one_that_migrations_refuse() -> None:
    assert locals_of("modules/secrets/main.tf")["placeholder"] == PLACEHOLDER


def test_services_find_each_other_by_the_names_they_are_told() -> None:
    assert '"agent:${local.ports.agent}"' in module("gateway")["environment"]
    for caller in ("gateway", "agent"):
        assert '"engine:${local.ports.engine}"' in module(caller)["environment"]
    assert set(module("engine")["clients"]) == {"gateway", "agent"}
    assert set(module("agent")["clients"]) == {"gateway"}
    assert set(module("gateway")["clients"]) == {"edge"}


def test_the_metric_of_the_queues_lag_is_made_of_the_line_that_engines_write() -> None:
    scaling = "modules/service/scaling.tf"
    found = resource(scaling, "aws_cloudwatch_log_metric_filter", "queue_lag")
    pattern = re.fullmatch(r'{ \$\.event = \\?"(\w+)\\?" }', found["pattern"])
    [made] = found["metric_transformation"]
    source = (TERRAFORM.parents[1] / "engine_service/running/housekeeping.py").read_text()
    written = re.search(r'log\.info\("(\w+)", (\w+)=round\(lag', source)
    assert written
    assert pattern
    assert (pattern[1], made["value"]) == (written[1], f"$.{written[2]}")
    alarm = resource(scaling, "aws_cloudwatch_metric_alarm", "queue_lag")
    assert (alarm["namespace"], alarm["metric_name"]) == (made["namespace"], made["name"])
    assert alarm["statistic"] == "Maximum"  # every engine says the same figure
    assert "ENGINE_LAG_LOG_SECONDS" in plain_settings("engine")
    assert int(re.findall(r'"ENGINE_LAG_LOG_SECONDS": "(\d+)"', str(module("engine")))[0]) <= 60
    watched = str(locals_of("modules/observability/main.tf")["queue_alarms"])
    assert made["name"].replace("${var.name}", "engine") in watched


def test_lag_adds_tasks_in_steps_that_meet() -> None:
    policy = resource("modules/service/scaling.tf", "aws_appautoscaling_policy", "queue_lag")
    assert policy["policy_type"] == "StepScaling"
    [steps] = policy["step_scaling_policy_configuration"]
    first, second = steps["step_adjustment"]
    assert first["metric_interval_lower_bound"] == 0
    assert first["metric_interval_upper_bound"] == second["metric_interval_lower_bound"]
    assert 0 < first["scaling_adjustment"] < second["scaling_adjustment"]


def test_all_three_services_are_watched() -> None:
    assert module("observability")["services"] == "${keys(local.ports)}"
    assert set(locals_of("main.tf")["ports"]) == set(SERVICES)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_gives_every_variable_that_has_no_default(name: str) -> None:
    blocks: list[dict[str, Any]] = hcl("variables.tf")["variable"]
    variables = {key: body for block in blocks for key, body in block.items()}
    needed = {key for key, body in variables.items() if "default" not in body}
    # The tag is chosen by whoever deploys.
    assert needed - {"image_tag"} <= set(environment(name)) <= set(variables)

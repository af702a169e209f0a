"""What watches Flowloom asks for what there is: dashboards, alerts, scrapers, the collector."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from urllib.parse import urlsplit

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from agent_service.settings import Settings as AgentSettings
from engine_service.settings import Settings as EngineSettings
from gateway.app import build_rest
from gateway.settings import Settings as GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker" / "observability"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SERVICES = ("gateway", "agent", "engine")
MODULES = ("gateway.metrics", "agent_service.metrics", "engine_service.metrics")
OF_HISTOGRAMS = ("_bucket", "_count", "_sum")
# What Prometheus itself and its client add.
OTHERS = {
    "up": frozenset[str](),
    "process_resident_memory_bytes": frozenset[str](),
    "process_cpu_seconds_total": frozenset[str](),
}
OF_TARGETS = {"job", "instance"}


@cache
def metrics() -> dict[str, frozenset[str]]:
    """Every series that the services tell, with its labels."""
    found: dict[str, frozenset[str]] = dict(OTHERS)
    for module in map(importlib.import_module, MODULES):
        for metric in _wrappers(module):
            (told,) = metric.describe()
            labels = frozenset[str](getattr(metric, "_labelnames", ()))
            if told.type == "histogram":
                found |= {f"{told.name}{end}": labels | {"le"} for end in OF_HISTOGRAMS}
            else:
                found[f"{told.name}_total" if told.type == "counter" else told.name] = labels
    return found


def _wrappers(module: ModuleType) -> Iterator[MetricWrapperBase]:
    return (one for one in vars(module).values() if isinstance(one, MetricWrapperBase))


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def rules() -> list[dict[str, Any]]:
    return [rule for group in document("alerts.yaml")["groups"] for rule in group["rules"]]


def dashboard(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def expressions() -> list[tuple[str, str]]:
    """All that is asked of Prometheus, with where it stands."""
    asked = [(rule["alert"], cast("str", rule["expr"])) for rule in rules()]
    for path in DASHBOARDS:
        for panel in dashboard(path)["panels"]:
            asked += [
                (f"{path.stem}: {panel['title']}", t["expr"]) for t in panel.get("targets", ())
            ]
    return asked


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of an expression, wherever they stand in it."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for inner in ("vector_selector", "expr", "lhs", "rhs", "param"):
        below = getattr(node, inner, None)
        if below is not None and not isinstance(below, str):
            yield from selectors(below)
    for argument in getattr(node, "args", None) or ():
        yield from selectors(argument)


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_an_expression_asks_for_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "1m"))
    asked = list(selectors(parsed))
    assert asked
    labels: set[str] = set()
    for selector in asked:
        assert selector.name in metrics(), where
        labels |= metrics()[selector.name] | OF_TARGETS
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= metrics()[selector.name] | OF_TARGETS
    for names in re.findall(r"\b(?:by|without|ignoring|on) \(?\(([^)]*)\)", expression):
        assert {name.strip() for name in names.split(",")} <= labels


def test_values_that_are_matched_are_such_as_the_code_gives() -> None:
    text = "\n".join(expression for _, expression in expressions())
    assert set(re.findall(r'status="(\w+)"', text)) <= {"5xx", "failed"}
    assert set(re.findall(r'outcome="(\w+)"', text)) <= {"failed"}
    assert set(re.findall(r'job=~"([^"]+)"', text)) == {"|".join(SERVICES)}
    left_out = re.findall(r'route!~"([^"]+)"', text)
    routes = [getattr(route, "path_format", "") for route in build_rest().routes]
    for pattern in "|".join(left_out).split("|"):
        assert any(re.fullmatch(pattern, route) for route in [*routes, "/v1/hooks/{path}"]), pattern


def test_every_metric_is_seen_somewhere() -> None:
    asked = "\n".join(expression for _, expression in expressions())
    unseen = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in metrics()
        if not re.search(re.sub(r"_(bucket|count|sum)$", "", name), asked)
    }
    assert unseen == set()


def test_a_rule_says_how_bad_it_is_and_what_it_means() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 0
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Flowloom[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+m", rule.get("for", "0m"))


def test_operations_say_what_to_do_about_each_alert() -> None:
    named = set(re.findall(r"`(Flowloom\w+)`", OPERATIONS))
    assert named == {rule["alert"] for rule in rules()}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_no_complaint() -> None:
    done = subprocess.run(
        ("promtool", "check", "config", FOLDER / "prometheus.yaml"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board = dashboard(path)
    panels: list[dict[str, Any]] = board["panels"]
    assert re.fullmatch(r"flowloom-[a-z]+", board["uid"])
    assert board["schemaVersion"] >= 39
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    sources = {source["uid"] for source in document("grafana/datasources.yaml")["datasources"]}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & taken, panel["title"]
        taken |= own
        if panel["type"] == "row":
            continue
        assert panel["type"] == "timeseries"
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
        assert {
            panel["datasource"]["uid"],
            *(t["datasource"]["uid"] for t in panel["targets"]),
        } <= sources


_GRAFANA = "grafana-foundation-sdk==1769699998!10.1.0"  # of Grafana 10.1 and what follows
_KEPT = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(open(sys.argv[1])))))
"""


@pytest.mark.long
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafanas_own_model_takes_all_that_a_dashboard_says(path: Path) -> None:
    """Fetches the model from the registry, hence long; what it does not know, it drops."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    alone = (uv, "run", "--quiet", "--isolated", "--no-project", "--with", _GRAFANA)
    done = subprocess.run(
        (*alone, "python", "-c", _KEPT, path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert _dropped(dashboard(path), json.loads(done.stdout)) == []


def _dropped(said: Any, kept: Any, place: str = "") -> list[str]:
    """Where something that was said is not kept; what says nothing may go."""
    if isinstance(said, dict):
        fields = cast("dict[str, Any]", said)
        return [
            one
            for name, inner in fields.items()
            if inner not in ([], {}, None, False)
            for one in _dropped(inner, kept.get(name), f"{place}/{name}")
        ]
    if isinstance(said, list):
        inner = cast("list[Any]", said)
        return [
            one
            for number, (old, new) in enumerate(zip(inner, kept, strict=True))
            for one in _dropped(old, new, f"{place}/{number}")
        ]
    return [] if said == kept else [place]


def test_dashboards_have_names_of_their_own() -> None:
    assert len({dashboard(path)["uid"] for path in DASHBOARDS}) == len(DASHBOARDS) > 0


def test_prometheus_asks_each_service_at_the_port_it_is_told() -> None:
    told = compose()["services"]
    ports = {
        "gateway": GatewaySettings.model_fields["gateway_port"].default,
        "agent": told["agent"]["environment"]["AGENT_METRICS_PORT"],
        "engine": told["engine"]["environment"]["ENGINE_METRICS_PORT"],
    }
    asked: dict[str, Any] = {}
    for job in document("prometheus.yaml")["scrape_configs"]:
        assert job.get("metrics_path", "/metrics") == "/metrics"
        [found] = job["dns_sd_configs"]
        assert found["names"] == [job["job_name"]]
        asked[job["job_name"]] = found["port"]
    assert asked == ports
    assert "/metrics" in [getattr(route, "path", "") for route in build_rest().routes]
    for settings in (AgentSettings, EngineSettings):  # closed where nobody asks for it
        name = "agent_metrics_port" if settings is AgentSettings else "engine_metrics_port"
        assert settings.model_fields[name].default == 0


def test_the_services_can_be_told_of_the_collector() -> None:
    told = compose()["services"]
    comment = (ROOT / "docker" / ".env.example").read_text()
    example: str
    [example] = re.findall(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)", comment)
    for service in SERVICES:
        environment = told[service]["environment"]
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "${OTEL_EXPORTER_OTLP_ENDPOINT:-}"
        default = GatewaySettings.model_fields["trace_ratio"].default
        assert environment["TRACE_RATIO"] == f"${{TRACE_RATIO:-{default}}}"
    place = urlsplit(example)
    receiver = document("collector.yaml")["receivers"]["otlp"]["protocols"]["http"]
    assert place.hostname in told
    assert receiver["endpoint"] == f"0.0.0.0:{place.port}"


def test_the_collector_uses_what_it_has_and_has_what_it_uses() -> None:
    collector = document("collector.yaml")
    used: dict[str, set[str]] = {"receivers": set(), "processors": set(), "exporters": set()}
    for pipeline in collector["service"]["pipelines"].values():
        for kind in used:
            used[kind] |= set(pipeline[kind])
        assert pipeline["processors"][0] == "memory_limiter"
        assert pipeline["processors"][-1] == "batch"
    assert used == {kind: set(collector[kind]) for kind in used}
    assert collector["service"]["extensions"] == list(collector["extensions"])
    for exporter in collector["exporters"].values():
        assert exporter["endpoint"].partition(":")[0] in compose()["services"]


def test_watchers_run_when_asked_for_and_at_pinned_versions() -> None:
    told = compose()["services"]
    watchers = {name for name, one in told.items() if one.get("profiles") == ["observability"]}
    assert watchers == {"collector", "jaeger", "prometheus", "grafana"}
    for name in watchers:
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", told[name]["image"])
        assert told[name]["read_only"] is True
        for port in told[name].get("ports", ()):
            assert port.startswith("127.0.0.1:")
    for service in SERVICES:  # which start without them
        assert not watchers & set(told[service]["depends_on"])


def test_every_file_that_watchers_are_given_exists_where_they_look() -> None:
    told = compose()["services"]
    mounted: dict[str, str] = {}
    for name in ("collector", "prometheus", "grafana"):
        for volume in told[name]["volumes"]:
            source, target, *_ = volume.split(":")
            if source.startswith("./"):
                assert (ROOT / "docker" / source).exists(), source
                mounted[source] = target
    assert told["collector"]["command"] == [f"--config={mounted['./observability/collector.yaml']}"]
    config = mounted["./observability/prometheus.yaml"]
    assert told["prometheus"]["command"][0] == f"--config.file={config}"
    [rule_file] = document("prometheus.yaml")["rule_files"]
    beside = str(Path(config).with_name(rule_file))
    assert mounted[f"./observability/{rule_file}"] == beside
    [provider] = document("grafana/dashboards.yaml")["providers"]
    assert mounted["./observability/dashboards"] == provider["options"]["path"]
    for source in document("grafana/datasources.yaml")["datasources"]:
        assert urlsplit(str(source["url"])).hostname in told

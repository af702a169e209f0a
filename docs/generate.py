"""Write the pages that follow from the code: settings, metrics, node types, events. `make docs`."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from agent_service import metrics as agent_metrics
from agent_service.settings import Settings as AgentSettings
from engine_service import metrics as engine_metrics
from engine_service.catalogue import builtin
from engine_service.sdk.node import AttachedNode, NodeType
from engine_service.settings import Settings as EngineSettings
from gateway import asyncapi as gateway_asyncapi
from gateway import metrics as gateway_metrics
from gateway.settings import Settings as GatewaySettings

DOCS = Path(__file__).resolve().parent
METRICS: dict[str, ModuleType] = {
    "Agent: `GET /metrics` on `AGENT_METRICS_PORT`": agent_metrics,
    "Gateway: `GET /metrics`": gateway_metrics,
    "Engine: `GET /metrics` on `ENGINE_METRICS_PORT`": engine_metrics,
}
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "agent_service": AgentSettings,
    "engine_service": EngineSettings,
}


def configuration() -> str:
    """The page of every environment variable."""
    parts = [
        "# Configuration",
        "",
        "Made from each service's settings by `make docs`. The environment is the only source.",
    ]
    for service, settings in SETTINGS.items():
        parts += [
            "",
            f"## `python -m {service}`",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
        ]
        for field, info in settings.model_fields.items():
            default = (
                "required"
                if info.is_required()
                else f"`{_shown(info.get_default(call_default_factory=True, validated_data={}))}`"
            )
            parts.append(f"| `{_variable(settings, field)}` | {default} | {info.description} |")
    return "\n".join(parts) + "\n"


def node_types() -> str:
    """The page of every node type."""
    parts = ["# Node types", "", "Made from the catalogue by `make docs`."]
    for node_type in sorted(builtin(), key=lambda one: one.type):
        parts += ["", f"## `{node_type.type}`: {node_type.title}", ""]
        parts += [line.strip() for line in (node_type.__doc__ or "").strip().splitlines()]
        inputs, outputs = ", ".join(node_type.inputs) or "none", ", ".join(node_type.outputs)
        parts += ["", f"Inputs: {inputs}. Outputs: {outputs}. Effect: {node_type.effect}."]
        parts += [*_attaching(node_type), ""]
        parts += ["| parameter | meaning |", "|---|---|"]
        for name, meaning in node_type.Parameters.described().items():
            parts.append(f"| `{name}` | {meaning} |")
    return "\n".join(parts) + "\n"


def _attaching(node_type: NodeType[Any]) -> list[str]:
    """What can be attached to a node, and whether it serves as something else than a tool."""
    told: list[str] = []
    if node_type.attachments:
        told.append(f"Takes attached: {', '.join(node_type.attachments)}.")
    if isinstance(node_type, AttachedNode):
        told.append(f"Is attached as: {node_type.kind}.")
    return told


def _variable(settings: type[BaseSettings], field: str) -> str:
    info = settings.model_fields[field]
    name = info.validation_alias if isinstance(info.validation_alias, str) else field
    prefix = "" if name != field else str(settings.model_config.get("env_prefix") or "")
    return f"{prefix}{name}".upper()


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def metrics() -> str:
    """The page of everything that is counted."""
    parts = ["# Metrics", "", "Made from the code by `make docs`. Labels never come from a tenant."]
    for where, module in METRICS.items():
        parts += [
            "",
            f"## {where}",
            "",
            "| metric | kind | labels | meaning |",
            "|---|---|---|---|",
        ]
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                (told,) = metric.describe()
                title = f"{told.name}_total" if told.type == "counter" else told.name
                names: tuple[str, ...] = getattr(metric, "_labelnames", ())  # told nowhere else
                labels = ", ".join(f"`{name}`" for name in names)
                parts.append(f"| `{title}` | {told.type} | {labels} | {told.documentation} |")
    return "\n".join(parts) + "\n"


def asyncapi() -> str:
    """What the event streams say; the gateway serves the file."""
    return json.dumps(gateway_asyncapi.describe(), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "configuration.md": configuration,
    "metrics.md": metrics,
    "node-types.md": node_types,
    "../gateway/asyncapi.json": asyncapi,
}

if __name__ == "__main__":
    for page, make in PAGES.items():
        sys.stdout.write(f"docs/{page}\n")
        (DOCS / page).write_text(make())

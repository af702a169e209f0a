"""What the engine is told by its environment: `ENGINE_…`, beside what all services share."""

from pydantic import Field, SecretStr

from shared.llms import LlmSettings
from shared.settings import CommonSettings


class Settings(CommonSettings, LlmSettings):
    """The engine's settings."""

    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="redis:// or rediss:// URL of the server that `memory.kv` keeps conversations "
        "in; without one such a node needs a credential of its own",
    )
    engine_host: str = Field(default="0.0.0.0", description="Address the gRPC server listens on")
    engine_port: int = Field(default=50052, ge=0, le=65_535, description="Port of the gRPC server")
    engine_database_connections: int = Field(
        default=8, ge=3, le=100, description="Connections to PostgreSQL for each of the two roles"
    )
    engine_runs: int = Field(
        default=200, ge=1, le=10_000, description="Runs this process works on at once"
    )
    engine_effects: int = Field(
        default=100, ge=1, le=10_000, description="Actions of nodes under way at once"
    )
    engine_effects_per_run: int = Field(
        default=16, ge=1, le=1_000, description="Actions of nodes under way at once in one run"
    )
    engine_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port of `/metrics` for Prometheus, inside the network only; 0 for none",
    )
    engine_lag_log_seconds: int = Field(
        default=0,
        ge=0,
        le=3600,
        description="How often the log says how far behind the queue is (`queue_lag`), where "
        "metrics are made of log lines; 0 for never",
    )
    engine_tenant_runs: int = Field(
        default=0,
        ge=0,
        description="Runs of one tenant that all engines work on at once, parked ones not counted; "
        "0 for no limit. Rows in `engine.tenants` say otherwise for single tenants",
    )
    engine_keep_days: int = Field(
        default=90,
        ge=0,
        description="Days that ended runs are kept; 0 for ever. Rows in `engine.tenants` say "
        "otherwise for single tenants",
    )
    engine_keep_runs: int = Field(
        default=0,
        ge=0,
        description="Ended runs that are kept of each workflow, the newest; 0 for no limit",
    )
    engine_lease_seconds: int = Field(
        default=3,
        ge=2,
        le=60,
        description="How long a run stays with an engine that has gone silent; others take it over "
        "within this time and the poll's",
    )
    engine_poll_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How often the queue is looked at when nothing hints at anything",
    )
    engine_node_seconds: float = Field(
        default=600.0, gt=0, description="The longest try of a node whose settings name no timeout"
    )
    engine_output_bytes: int = Field(
        default=128 * 1024 * 1024,
        ge=1024,
        description="The largest output of a node, as JSON; 10 MiB where no files can be kept",
    )
    engine_inline_bytes: int = Field(
        default=512 * 1024,
        ge=0,
        le=10 * 1024 * 1024,
        description="Larger outputs, of nodes and of runs, are kept as files instead of in rows",
    )
    engine_blob_url: str = Field(
        default="",
        description="Where files and large outputs are kept: file:///a/directory, or "
        "s3://bucket/prefix, for which the usual AWS_… variables or the machine's role count; "
        "without one, nodes cannot handle files",
    )
    engine_blob_bytes: int = Field(
        default=2 * 1024**3, ge=0, description="The largest file, in bytes; 0 is no limit"
    )
    engine_blob_bytes_per_run: int = Field(
        default=10 * 1024**3,
        ge=0,
        description="What the files of one run may have together; 0 is no limit",
    )
    engine_blob_bytes_per_tenant: int = Field(
        default=0,
        ge=0,
        description="What the files of one tenant may have together; 0 is no limit",
    )
    engine_allowed_hosts: str = Field(
        default="",
        description="Inner addresses that outgoing requests may reach nevertheless, separated by "
        "commas: host:port, host, or a network such as 10.1.0.0/16",
    )
    engine_credential_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Master keys that credentials are sealed with, id:base64key (32 bytes), "
        "separated by commas: the first one seals, the others still open; none, and credentials "
        "cannot be kept",
    )
    engine_public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^\s?#]+$",
        description="Where people find the gateway: what the links in messages begin with",
    )
    engine_expression_env: str = Field(
        default="",
        description="Environment variables that expressions see as `$env`, separated by commas: "
        "NAME for every tenant, TENANT/NAME for one",
    )

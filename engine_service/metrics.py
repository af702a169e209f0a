"""What an engine counts, in Prometheus' form; labels are few and never come from a tenant.

What only the database knows is looked up now and then by housekeeping.
"""

from prometheus_client import Counter, Gauge, Histogram

from shared.llm import Usage

_MOMENTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

LINE = Gauge("flowloom_engine_line_runs", "Runs that stand in the line, of all engines")
QUEUE_LAG = Gauge(
    "flowloom_engine_queue_lag_seconds",
    "How long ago the oldest run that no limit holds up should have been taken up; of all engines",
)
ACTIVATION_LATENCY = Histogram(
    "flowloom_engine_activation_latency_seconds",
    "From the moment a run was accepted to its beginning",
    buckets=_MOMENTS,
)
RECOVERY = Histogram(
    "flowloom_engine_recovery_seconds",
    "From an engine's last sign of life to the moment its runs were free for others",
    buckets=(1, 2, 3, 4, 5, 7.5, 10, 30, 60, 300),
)
SCHEDULE_SKEW = Histogram(
    "flowloom_engine_schedule_skew_seconds",
    "How late a clock trigger's tick began its run",
    buckets=_MOMENTS,
)
NODE_DURATION = Histogram(
    "flowloom_engine_node_seconds",
    "How long an execution of a node took, its retries and waits left out",
    ["type"],
    buckets=_MOMENTS,
)
RUNS = Counter("flowloom_engine_runs_total", "Runs that ended here", ["status"])
ACTIVE = Gauge("flowloom_engine_active_runs", "Runs that this engine works on at the moment")
CLAIMS_LOST = Counter(
    "flowloom_engine_claims_lost_total", "Claims that could not be extended or were taken over"
)

MODEL_CALLS = Counter("flowloom_engine_model_calls_total", "Calls of language models by nodes")
TOKENS = Counter(
    "flowloom_engine_model_tokens_total", "Tokens that nodes' models used", ["direction"]
)
COST = Counter(
    "flowloom_engine_model_cost_usd_total",
    "What nodes' models cost, where their prices are known",
)


def count_usage(used: Usage) -> None:
    """Count what a call of a model used."""
    MODEL_CALLS.inc()
    TOKENS.labels("input").inc(used.input_tokens)
    TOKENS.labels("output").inc(used.output_tokens)
    COST.inc(float(used.cost_usd or 0))

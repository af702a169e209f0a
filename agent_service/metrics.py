"""What an agent counts, in Prometheus' form; labels are few and never come from a tenant."""

from prometheus_client import Counter, Gauge, Histogram

from shared.llm import Usage

TURNS = Counter("flowloom_agent_turns_total", "Turns that ended here", ["outcome"])
TURN_DURATION = Histogram(
    "flowloom_agent_turn_seconds",
    "From what a person said to the end of the turn",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
ACTIVE = Gauge("flowloom_agent_active_turns", "Turns that this agent works on at the moment")
TAKEN_OVER = Counter(
    "flowloom_agent_turns_taken_over_total", "Turns whose agent had gone, and that go on here"
)
TOKENS = Counter(
    "flowloom_agent_model_tokens_total", "Tokens that the author's models used", ["direction"]
)
COST = Counter(
    "flowloom_agent_model_cost_usd_total",
    "What the author's models cost, where their prices are known",
)


def count_usage(used: Usage) -> None:
    """Count what a step's calls of models used."""
    TOKENS.labels("input").inc(max(used.input_tokens, 0))
    TOKENS.labels("output").inc(max(used.output_tokens, 0))
    COST.inc(max(float(used.cost_usd or 0), 0.0))

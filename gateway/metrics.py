"""What the gateway counts, in Prometheus' form; labels are few and never come from a caller."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "flowloom_gateway_request_seconds",
    "Time from a request to the end of its answer, streams left out",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STREAMS = Gauge("flowloom_gateway_event_streams", "Event streams that are open")
EVENTS = Counter("flowloom_gateway_events_total", "Events sent on event streams")
LIMITED = Counter("flowloom_gateway_limited_total", "Requests refused by a limit", ["limit"])
UNCOUNTED = Counter(
    "flowloom_gateway_uncounted_total", "Requests let through uncounted because Redis was away"
)
REDIS_FAILURES = Counter("flowloom_gateway_redis_failures_total", "Calls that Redis did not answer")
REFUSED_TOKENS = Counter(
    "flowloom_gateway_refused_tokens_total", "Tokens that were refused", ["code"]
)
ISSUER_EVENTS = Counter("flowloom_gateway_issuer_total", "What the built-in issuer did", ["event"])

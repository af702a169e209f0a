"""What an engine does without, and what it imports only when a workflow asks for it."""

LEFT_OUT = ("rich", "numpy", "opentelemetry.sdk")
"""The last, which the client of Redis would load, is let in again where traces are wanted."""
LATER = (
    "engine_service.formats.calendars",
    "engine_service.formats.workbooks",
    "engine_service.protocols.redis_connection",
    "engine_service.values.markdown",
    "feedparser",
    "jinja2",
    "obstore",
    "pydantic_monty",
    "redis",
    "regex",
)

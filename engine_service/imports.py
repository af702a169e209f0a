"""What an engine does without, and what it imports only when a workflow asks for it."""

LEFT_OUT = ("rich", "numpy")
LATER = (
    "engine_service.protocols.redis_connection",
    "engine_service.values.markdown",
    "feedparser",
    "icalendar",
    "jinja2",
    "obstore",
    "openpyxl",
    "pydantic_monty",
    "redis",
    "regex",
)

"""What the gateway does without, and what it imports only when a page is asked for."""

LEFT_OUT = ("rich", "opentelemetry.sdk")
"""The last, which the client of Redis would load, is let in again where traces are wanted."""
LATER = ("jinja2", "markdown_it")

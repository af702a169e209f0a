"""What the agent does without, and what it imports only when it is used."""

LEFT_OUT = ("rich", "click", "pygments", "opentelemetry.sdk")
"""Two are for the command line of an HTTP client that comes with LangGraph. The last, which
LangGraph would load, is let in again where traces are wanted."""
LATER = ("tokenizers",)

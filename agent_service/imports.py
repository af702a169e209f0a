"""What the agent does without, and what it imports only when it is used."""

LEFT_OUT = ("rich", "click", "pygments")
"""The last two are for the command line of an HTTP client that comes with LangGraph."""
LATER = ("tokenizers",)

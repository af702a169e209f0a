"""What the gateway does without, and what it imports only when a page is asked for."""

LEFT_OUT = ("rich",)
LATER = ("jinja2", "markdown_it")

"""Logs: one JSON object a line (or colours for people), with the request and the trace at hand.

What else a line belongs to (a run, a node, a turn), whoever works on it binds with structlog's
context variables.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.rpc import call
from shared.tracing.context import trace_id_of

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def add_call(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say on a line which request it is about, and which trace."""
    at_hand = call.current()
    if at_hand.request_id:
        event.setdefault("request_id", at_hand.request_id)
    if at_hand.traceparent:
        event.setdefault("trace_id", trace_id_of(at_hand.traceparent))
    return event


def configure(service: str, level: str, form: str) -> None:
    """Set up logging for a process.

    Args:
        service: Its name, on every line.
        level: debug, info, warning or error.
        form: json or console.
    """

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_service,
            add_call,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.WARNING), stream=sys.stderr)

"""The checks of a definition, one file per family; `validate.py` runs them all."""

from collections.abc import Callable, Iterator

from engine_service.definitions.checks import (
    attachments,
    connections,
    expressions,
    nodes,
    shape,
    types,
    whole,
)
from engine_service.definitions.checks.diagnostic import Diagnostic, Subject

CHECKS: tuple[Callable[[Subject], Iterator[Diagnostic]], ...] = (
    whole.check,
    nodes.check,
    connections.check,
    attachments.check,
    shape.check,
    expressions.check,
    types.check,
)

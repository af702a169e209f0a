"""One evaluator for all tests of this room: starting V8 takes longer than most of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from engine_service.expressions import Evaluator, Scope, compile_parameters

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)
Evaluate = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator(timeout=10.0, workers=1)
    yield evaluator
    await evaluator.close()


@pytest.fixture(scope="session")
def evaluate(evaluator: Evaluator) -> Evaluate:
    """What an expression comes to in V8: `await evaluate("1 + 1")`."""

    async def once(source: str, scope: Scope | None = None) -> Any:
        # The comma makes it more than a path, so that V8 answers.
        compiled = compile_parameters(f"{{{{ (0, {source}) }}}}")
        found = await evaluator.resolve(compiled, scope or scope_with({}), [0])
        return found[0]

    return once


def scope_with(json: Any, **more: Any) -> Scope:
    """A scope with one item."""
    return Scope(items=[{"json": json}], now=NOW, zone="Europe/Berlin", **more)

"""What pays for calls of language models, as nodes see it. The real one is in spending.py."""

from decimal import Decimal
from typing import Protocol

from shared.llm import Budget


class Purse(Protocol):
    """What pays for calls of models."""

    async def open(
        self, *, max_tokens: int | None = None, max_cost_usd: Decimal | None = None
    ) -> Budget:
        """A budget for what the node asks, with limits of its own; `Request.budget` is its place.

        It lies within the budgets of the run and of its tenant, and what is charged to it is
        counted.
        """
        ...


class FreePurse:
    """Where nothing is limited but by the node itself, and nothing is counted."""

    async def open(
        self, *, max_tokens: int | None = None, max_cost_usd: Decimal | None = None
    ) -> Budget:
        return Budget(max_tokens=max_tokens, max_cost_usd=max_cost_usd, name="node")

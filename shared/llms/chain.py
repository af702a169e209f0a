"""Several models as one: each call goes to the first that can take it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from shared.errors import LimitReached, Unavailable
from shared.llm import Delta, Model, Reply, Request
from shared.llm_errors import BudgetExhausted


class Chain:
    """Models in order of preference; the next is asked where one is unavailable or at its limit.

    Everything else (a wrong request, a refused key) is not hidden behind another model, and
    neither is the session's own budget. A stream is handed on only while nothing of it was seen:
    a second beginning after half an answer would be no answer.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        if not models:
            raise ValueError("A chain needs at least one model")
        self._models = tuple(models)

    @property
    def name(self) -> str:
        return ",".join(model.name for model in self._models)

    async def complete(self, request: Request) -> Reply:
        *preferred, last = self._models
        for model in preferred:
            try:
                return await model.complete(request)
            except (Unavailable, LimitReached) as error:
                _raise_if_ours(error)
        return await last.complete(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        *preferred, last = self._models
        for model in preferred:
            begun = False
            try:
                async with aclosing(model.stream(request)) as deltas:
                    async for delta in deltas:
                        begun = True
                        yield delta
                return
            except (Unavailable, LimitReached) as error:
                _raise_if_ours(error)
                if begun:
                    raise
        async with aclosing(last.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        for model in self._models:
            await model.close()


def _raise_if_ours(error: Unavailable | LimitReached) -> None:
    if isinstance(error, BudgetExhausted):
        raise error

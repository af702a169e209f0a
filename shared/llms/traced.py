"""A model whose calls are spans: which provider, how many tokens, and nothing that was said."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.errors import AppError
from shared.llm import Delta, Done, Model, Reply, Request, Usage
from shared.tracing import spans
from shared.tracing.spans import Span


class TracedModel:
    """Stands around a model where traces are wanted; its attributes have OpenTelemetry's names."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.name.partition(":")[0],
        }

    @property
    def name(self) -> str:
        return self._model.name

    async def complete(self, request: Request) -> Reply:
        with spans.span("chat", "client", self._attributes) as span:
            reply = await self._model.complete(request)
            _count(span, reply.usage)
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        # Not a block around the whole: between two deltas the consumer's code runs.
        span = spans.begin("chat", "client", self._attributes)
        try:
            async with aclosing(self._model.stream(request)) as deltas:
                while True:
                    with spans.within(span):
                        delta = await anext(deltas, None)
                    if delta is None:
                        break
                    if isinstance(delta, Done):
                        _count(span, delta.reply.usage)
                    yield delta
        except AppError as error:
            span.fail(error.code)
            raise
        finally:
            span.end()

    async def close(self) -> None:
        await self._model.close()


def _count(span: Span, used: Usage) -> None:
    span.set("gen_ai.usage.input_tokens", used.input_tokens)
    span.set("gen_ai.usage.output_tokens", used.output_tokens)

"""`ai.chat`: asks a language model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, ClassVar, Protocol

from pydantic import Field

from engine_service.node import (
    MAIN,
    ActionNode,
    Credential,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.samples import sample_of
from shared.errors import AppError
from shared.llm import Done as Finished
from shared.llm import Finish, Message, Model, OutputSchema, Reply, Request, TextDelta
from shared.workflow import Item, JsonObject

KEYS = ("openai.key", "anthropic.key")
_NOT_CONFIGURED = frozenset({"MODEL_KEY_MISSING", "MODEL_NAME_INVALID"})


class ChatParameters(NodeParameters):
    """What to ask which model."""

    prompt: str = Field(min_length=1, max_length=500_000, description="What the model is asked")
    system: str = Field(
        default="", max_length=100_000, description="How it should behave, for the whole answer"
    )
    model: str = Field(
        default="openai:gpt-4o-mini",
        min_length=1,
        max_length=400,
        description="`provider:model`; several with commas between them are tried in turn",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="How freely it writes; the model's own when not given"
    )
    max_tokens: int = Field(
        default=4_096, ge=1, le=200_000, description="How long the answer may be"
    )
    output_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema of an object that the answer must be; a text when not given",
    )
    timeout: float = Field(
        default=120.0, gt=0, le=600, description="Seconds that one answer may take"
    )
    concurrency: int = Field(default=3, ge=1, le=20, description="How many items at once")


class ModelSource(Protocol):
    """Where connected models come from; shared.llms.Models is one."""

    async def get(self, names: str) -> Model:
        """The model of this name, on the operator's accounts."""
        ...

    def borrow(
        self, names: str, credentials: Sequence[Credential]
    ) -> AbstractAsyncContextManager[Model]:
        """The model of this name, on the accounts of credentials."""
        ...


class AiChat(ActionNode[ChatParameters]):
    """Asks a language model about each item, and gives its answer.

    The output item holds `text`, the `model` that answered, the `finish` reason and `usage`
    (tokens and cost in dollars, null when the price is not known). With `output_schema` the
    answer is an object that satisfies the schema, in `data`. Whoever watches the run sees the
    text while it is written.

    The model is `provider:model`, such as `openai:gpt-4o-mini` or `anthropic:claude-sonnet-4-5`;
    several separated by commas are a chain, each tried when the one before it is not available.
    A credential of the vendor (`openai.key`, `anthropic.key`) pays for the call; without one it is
    the operator's account, and without that the node fails with `model_not_configured`.
    """

    Parameters = ChatParameters
    type = "ai.chat"
    title = "Ask a language model"
    effect = Effect.READ
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"prompt": "Summarise in three sentences:\n\n{{ $json.text }}"},
        {
            "system": "You sort support requests.",
            "prompt": "{{ $json.message }}",
            "output_schema": {
                "type": "object",
                "properties": {
                    "category": {"type": "string", "enum": ["bug", "billing", "other"]},
                    "urgent": {"type": "boolean"},
                },
                "required": ["category", "urgent"],
                "additionalProperties": False,
            },
            "temperature": 0,
        },
    )
    keywords = (
        "ai", "llm", "gpt", "claude", "openai", "anthropic", "chat", "summarise", "summarize",
        "classify", "translate", "extract", "write", "generate", "answer", "prompt", "sentiment",
        "人工智能", "大模型", "总结", "摘要", "分类", "翻译", "提取", "生成", "写",
    )  # fmt: skip

    async def run(self, given: NodeInput[ChatParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        if services.models is None:
            return Failed("model_not_configured", "No language model is configured.")
        slots = asyncio.Semaphore(given.parameters_for(0).concurrency)

        async def in_turn(index: int) -> Item | Failed:
            async with slots:
                return await _answer(index, given, services)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(index)) for index in range(len(given.items))]
        return _outcome([task.result() for task in tasks])

    def plan(self, parameters: ChatParameters) -> str:
        first_line = parameters.prompt.strip().partition("\n")[0]
        shown = first_line if len(first_line) <= 80 else f"{first_line[:79]}…"
        return f"Ask {parameters.model}: {shown}"

    def sample(self, given: NodeInput[ChatParameters]) -> Done:
        return Done({MAIN: [_sample(given.parameters_for(i), i) for i in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: ChatParameters) -> Sequence[tuple[str, str, str]]:
        schema = parameters.output_schema
        if schema is not None and schema.get("type") != "object":
            return [("/output_schema/type", "wrong_type", "The schema must be that of an object.")]
        return []


async def _answer(
    index: int, given: NodeInput[ChatParameters], services: Services
) -> Item | Failed:
    parameters = given.parameters_for(index)
    try:
        async with _model(parameters.model, services) as model:
            reply = await _listen(model, _request(parameters, index, services), index, services)
    except AppError as error:
        return _failed(error)
    except NodeError as error:
        return error.failure
    if reply.finish is Finish.REFUSAL:
        return Failed("model_refused", reply.refusal or "The model would not answer.")
    return {"json": _shown(reply, parameters), "paired_item": index}


@asynccontextmanager
async def _model(names: str, services: Services) -> AsyncGenerator[Model]:
    """The model, on the account of the node's credentials if it has any."""
    source: ModelSource = services.models
    own = [one for kind in KEYS if (one := await services.credentials.find(kind)) is not None]
    if not own:
        yield await source.get(names)
        return
    async with source.borrow(names, own) as model:
        yield model


async def _listen(model: Model, request: Request, index: int, services: Services) -> Reply:
    """The whole reply; what is written meanwhile goes to whoever watches."""
    async with aclosing(model.stream(request)) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                await services.emit({"item": index, "text": delta.text})
            elif isinstance(delta, Finished):
                return delta.reply
    raise AssertionError("a stream that does not fail ends with its reply")


def _request(parameters: ChatParameters, index: int, services: Services) -> Request:
    messages = [Message.user(parameters.prompt)]
    if parameters.system:
        messages.insert(0, Message.system(parameters.system))
    schema = parameters.output_schema
    return Request(
        messages,
        output=None if schema is None else OutputSchema("answer", schema),
        max_output_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        timeout_seconds=parameters.timeout,
        idempotency_key=f"{services.idempotency_key}:{index}",
    )


def _failed(error: AppError) -> Failed:
    code = "model_not_configured" if error.code in _NOT_CONFIGURED else error.code.lower()
    return Failed(code, error.message, error.retryable, error.retry_after)


def _shown(reply: Reply, parameters: ChatParameters) -> JsonObject:
    usage = reply.usage
    shown: JsonObject = {
        "text": reply.text,
        "model": reply.model,
        "finish": reply.finish.value,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cost_usd": None if usage.cost_usd is None else float(usage.cost_usd),
        },
    }
    if parameters.output_schema is not None:
        shown["data"] = reply.data
    return shown


def _outcome(answers: Sequence[Item | Failed]) -> Outcome:
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    if failed and len(failed) == len(answers):
        return failed[0]
    failures = [
        ItemFailure(index, answer.code, answer.message)
        for index, answer in enumerate(answers)
        if isinstance(answer, Failed)
    ]
    return Done({MAIN: [each for each in answers if not isinstance(each, Failed)]}, failures)


def _sample(parameters: ChatParameters, index: int) -> Item:
    tokens = len(parameters.prompt) // 4 + 1
    usage = {"input_tokens": tokens, "output_tokens": 8, "total_tokens": tokens + 8, "cost_usd": 0}
    shown: JsonObject = {
        "text": "A sample answer.",
        "model": parameters.model,
        "finish": "stop",
        "usage": usage,
    }
    if parameters.output_schema is not None:
        shown["data"] = sample_of(parameters.output_schema)
    return {"json": shown, "paired_item": index}

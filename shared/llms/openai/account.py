"""The client that all OpenAI wires call through, and what its exceptions mean.

In comes an endpoint; out go an AsyncOpenAI and, from whatever it raises, our typed errors.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import httpx2
import openai

from shared.llm import Request
from shared.llm_errors import ModelUnavailable, StreamBroken, TimedOut
from shared.llm_wire import Endpoint, OutputMode, Refusal, error_for, next_mode, patience

T = TypeVar("T")

OFFICIAL_URL = "https://api.openai.com/v1"


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes 60 ms, and no client changes it."""
    return httpx2.create_ssl_context()


class Account:
    """One endpoint with its key, its connections and its way of failing."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._key = endpoint.api_key
        self.is_official = endpoint.base_url in ("", OFFICIAL_URL)
        options: dict[str, Any] = {"transport": endpoint.transport} if endpoint.transport else {}
        self.client = openai.AsyncOpenAI(
            # Local servers want no key, but the SDK insists on one.
            api_key=endpoint.api_key or "unused",
            base_url=endpoint.base_url or OFFICIAL_URL,
            max_retries=endpoint.max_retries,
            http_client=openai.DefaultAsyncHttpxClient(
                verify=_tls(),
                event_hooks={"response": [patience(endpoint.max_retry_after_seconds)]},
                **options,
            ),
        )

    async def close(self) -> None:
        await self.client.close()

    @contextmanager
    def errors(self, model: str) -> Generator[None]:
        """Raise what the SDK raises inside this block as our own errors."""
        try:
            yield
        except openai.APIStatusError as error:
            raise error_for(
                Refusal(
                    model=model,
                    status=error.status_code,
                    code=error.code or error.type or "",
                    message=error.message,
                    headers=error.response.headers,
                    secret=self._key,
                )
            ) from error
        except openai.APITimeoutError as error:
            raise TimedOut(f"{model}: no answer in time", metadata={"model": model}) from error
        except openai.APIConnectionError as error:
            raise ModelUnavailable(
                f"{model}: the connection failed", metadata={"model": model}
            ) from error
        except openai.APIError as error:
            raise error_for(
                Refusal(
                    model=model,
                    status=200,
                    code=error.code or error.type or "",
                    message=error.message,
                    secret=self._key,
                )
            ) from error
        except (httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StreamBroken(
                f"{model}: the stream broke off or made no sense", metadata={"model": model}
            ) from error


def request_options(timeout_seconds: float, idempotency_key: str) -> dict[str, Any]:
    """The SDK's options that are the same for every wire."""
    options: dict[str, Any] = {"timeout": httpx2.Timeout(timeout_seconds, connect=5.0)}
    if idempotency_key:
        options["extra_headers"] = {"Idempotency-Key": idempotency_key}
    return options


async def in_best_mode(
    request: Request, modes: frozenset[OutputMode], ask: Callable[[OutputMode], Awaitable[T]]
) -> tuple[OutputMode, T]:
    """Ask for JSON in the best way the server knows; a refused way costs one quick 400."""
    mode = OutputMode.NATIVE
    while True:
        try:
            return mode, await ask(mode)
        except openai.BadRequestError as error:
            lower = next_mode(mode, f"{error.param} {error.message}") if request.output else None
            if lower is None or lower not in modes:
                raise
            mode = lower


def parsed_as(kind: type[T], answer: object, model: str) -> T:
    """The answer, if the SDK could parse it; from a page of HTML it makes a plain string."""
    if not isinstance(answer, kind):
        raise ModelUnavailable(
            f"{model}: the server answered something else than JSON", metadata={"model": model}
        )
    return answer

"""Draws a veil over secrets in what a node gives: outputs, failures, questions, lines, progress.

A server may repeat what it was sent; nothing that was opened for a node, or that its parameters
hold as a secret, may leave it that way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

from pydantic import BaseModel

from engine_service.definitions.hidden import HIDDEN, secret_texts
from engine_service.sdk.node import Credentials, Done, Failed, Outcome, Response, Waiting

Hide = Callable[[str], str]
_SHORTEST = 8
"""Shorter secrets of an author's are words that may stand anywhere."""


def veil_of(credentials: Credentials, parameters: Iterable[BaseModel]) -> Hide:
    """What hides what was opened for a node, and the secrets in its filled parameters."""
    found = {text for one in parameters for text in secret_texts(one)}
    # A header may say before its secret what it is: `Bearer …`.
    texts = {*found, *(text.rpartition(" ")[2] for text in found)}
    texts |= {quote(text, safe="") for text in texts}
    secrets = sorted((t for t in texts if len(t) >= _SHORTEST), key=len, reverse=True)
    if not secrets:
        return credentials.hide

    def hide(text: str) -> str:
        text = credentials.hide(text)
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return text

    return hide


def veiled(outcome: Outcome, hide: Hide) -> Outcome:
    """An outcome without secrets."""
    match outcome:
        case Done():
            return replace(
                outcome,
                outputs=hidden(outcome.outputs, hide),
                failures=[
                    replace(failure, message=hide(failure.message)) for failure in outcome.failures
                ],
                response=_response(outcome.response, hide),
            )
        case Failed():
            return replace(outcome, message=hide(outcome.message))
        case Waiting(question=None):
            return outcome
        case Waiting(question=question):
            assert question is not None
            shown = replace(question, title=hide(question.title), message=hide(question.message))
            return replace(outcome, question=shown)


def hidden(value: Any, hide: Hide) -> Any:
    """A JSON value without secrets; names of members are looked at too."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {hide(name): hidden(inner, hide) for name, inner in members.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [hidden(inner, hide) for inner in cast("Sequence[Any]", value)]
    return value


def _response(response: Response | None, hide: Hide) -> Response | None:
    if response is None:
        return None
    return Response(response.status, hidden(response.headers, hide), hidden(response.body, hide))

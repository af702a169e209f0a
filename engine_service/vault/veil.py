"""Draws a veil over secrets in what a node gives: outputs, failures, questions, lines, progress.

A server may repeat what it was sent; nothing that was opened for a node may leave it that way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from engine_service.sdk.node import Done, Failed, Outcome, Response, Waiting

Hide = Callable[[str], str]


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

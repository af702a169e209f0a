"""`flow.respond`: answers whoever waits for the run."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
    Response,
)
from engine_service.values.field_types import to_text
from shared.workflow import Item, JsonObject

RespondWith = Literal["first_item", "all_items", "json", "text", "redirect", "nothing"]


class RespondParameters(NodeParameters):
    """What the answer is."""

    respond_with: RespondWith = Field(
        default="first_item",
        description="The body: the first item, an array of all items, `body` as JSON (a text that "
        "is JSON counts as what it says), `body` as text, a redirect to `location`, or nothing",
    )
    body: Any = Field(default=None, description="The body, for `json` and `text`")
    location: str = Field(default="", description="Where a redirect leads")
    status: int | None = Field(
        default=None,
        ge=200,
        le=599,
        description="HTTP status; 200, 302 for a redirect and 204 for nothing when not given",
    )
    headers: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="HTTP headers of the answer; null leaves one out",
    )


class FlowRespond(PureNode[RespondParameters]):
    """Answers the caller of a webhook whose response mode is `respond_node`.

    The answer leaves when this node runs; the run goes on behind it with the same items. Only the
    first answer of a run counts. In a run that nobody waits for, it does nothing.

    Example: `{"respond_with": "json", "body": {"id": "{{ $json.id }}"}, "status": 201}`.
    """

    Parameters = RespondParameters
    type = "flow.respond"
    title = "Respond"
    per_item = False
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"respond_with": "first_item"},
        {"respond_with": "json", "body": {"ok": True}, "status": 201},
        {"respond_with": "text", "body": "Thank you", "headers": {"cache-control": "no-store"}},
        {"respond_with": "redirect", "location": "https://example.com/thanks"},
    )
    keywords = (
        "respond", "reply", "answer", "return", "webhook response", "http response", "status code",
        "响应", "回复", "返回", "应答",
    )  # fmt: skip

    def run(self, given: NodeInput[RespondParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        return Done({MAIN: given.items}, response=_response(parameters, given.items))

    @classmethod
    def check(cls, parameters: RespondParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.respond_with == "redirect" and not parameters.location:
            return [("/location", "missing", "A redirect needs to say where to.")]
        return []


def _response(parameters: RespondParameters, items: Sequence[Item]) -> Response:
    headers = {
        name.lower(): to_text(value)
        for name, value in parameters.headers.items()
        if value is not None
    }
    status = parameters.status or 200
    match parameters.respond_with:
        case "first_item":
            return Response(status, headers, items[0]["json"] if items else {})
        case "all_items":
            return Response(status, headers, [item["json"] for item in items])
        case "json":
            return Response(status, headers, _json(parameters.body))
        case "text":
            return Response(status, _with_type(headers), _text(parameters.body))
        case "redirect":
            found = {**headers, "location": parameters.location}
            return Response(parameters.status or 302, found)
        case "nothing":
            return Response(parameters.status or 204, headers)


def _with_type(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {"content-type": "text/plain; charset=utf-8", **headers}


def _json(body: Any) -> Any:
    """A value, or the value that a text of JSON stands for."""
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


def _text(body: Any) -> str:
    return "" if body is None else to_text(body)

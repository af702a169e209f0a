"""`trigger.slack`: an event, a command or a press of a button in Slack starts the run."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from pydantic import Field

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import Accepted, Answered, IncomingRequest, Refused, WebhookTrigger
from engine_service.web.request_bodies import UnreadableBody, read_body
from engine_service.web.signatures import Proof, Wrong, verify
from shared.workflow import JsonObject

COMMAND, INTERACTION = "slash_command", "interaction"
_IGNORED: JsonObject = {"ignored": True}


class SlackTriggerParameters(NodeParameters):
    """Where it listens, and to what."""

    path: str = Field(
        default="slack",
        max_length=200,
        pattern=r"^\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
        description="The address below the tenant's hooks, to be entered in the Slack app",
    )
    secret: str = Field(
        default="",
        max_length=4_000,
        json_schema_extra={"writeOnly": True},
        description="The app's signing secret",
    )
    events: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="Only these types of events, such as `message`, `app_mention`, "
        "`reaction_added`, `slash_command`, `interaction`; all when empty",
    )
    channels: list[str] = Field(
        default_factory=list[str], max_length=100, description="Only in these channels, by id"
    )
    ignore_bots: bool = Field(
        default=True, description="Whether messages of bots, such as one's own, start nothing"
    )
    event_only: bool = Field(
        default=False, description="Whether the item is the event alone, without what is around it"
    )
    tolerance: int = Field(
        default=300, ge=1, le=86_400, description="Seconds a signed request may be old"
    )


class SlackTrigger(WebhookTrigger[SlackTriggerParameters]):
    """Starts a run for every event that a Slack app is told of.

    In the Slack app's settings, `https://<the gateway>/v1/hooks/<tenant>/<path>` is the address
    for Event Subscriptions, Slash Commands and Interactivity; Slack's check of that address is
    answered. Every request must carry the signature that the app's signing secret makes.

    The run's item is `{type, event, team_id, event_id, event_time}` for events, where `event` is
    what Slack says of it; for a slash command `{type: "slash_command", command, text, user_id,
    channel_id, response_url, …}`; for a press of a button `{type: "interaction", payload}`.

    `events`, `channels` and `ignore_bots` say which start a run; the others are answered and
    forgotten. An event that Slack sends again, because its answer was late, starts no second run.
    """

    Parameters = SlackTriggerParameters
    type = "trigger.slack"
    title = "Slack event"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"secret": "the app's signing secret", "events": ["app_mention"]},
        {"path": "slack/support", "secret": "the app's signing secret", "events": ["message"],
         "channels": ["C0123456789"]},
    )  # fmt: skip
    keywords = (
        "slack event", "when a slack message", "slack mention", "slash command", "slack bot",
        "new slack message", "slack trigger", "slack事件", "收到slack消息", "slack提及",
    )  # fmt: skip

    def path(self, parameters: SlackTriggerParameters) -> str:
        return parameters.path

    def receive(
        self,
        parameters: SlackTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> Accepted | Answered | Refused:
        if request.method != "POST":
            return Refused(405, "This webhook takes POST.")
        proof = Proof("slack", tolerance=parameters.tolerance)
        verdict = verify(proof, request, secret or parameters.secret, now)
        if isinstance(verdict, Wrong):
            return Refused(401, verdict.message)
        try:
            said = _read(request)
        except UnreadableBody as error:
            return Refused(400, str(error))
        if said.get("type") == "url_verification":
            return Answered({"challenge": said.get("challenge")})
        if not _is_wanted(parameters, said):
            return Answered(_IGNORED)
        delivery = verdict.delivery_id or said.get("trigger_id")
        named = delivery if isinstance(delivery, str) else None
        alone: Any = said.get("event") if parameters.event_only else None
        item = cast("JsonObject", alone) if isinstance(alone, dict) else said
        return Accepted({"json": item}, named, "at_once")

    @classmethod
    def check(cls, parameters: SlackTriggerParameters) -> Sequence[tuple[str, str, str]]:
        if not parameters.secret:
            return [("/secret", "missing", "Slack's requests are checked by the signing secret.")]
        return []


def _read(request: IncomingRequest) -> JsonObject:
    """What Slack says: an event as JSON, a command or an interaction as a form.

    Raises:
        UnreadableBody: It is neither.
    """
    body: Any = read_body(request.headers.get("content-type", ""), request.body)
    if not isinstance(body, dict):
        raise UnreadableBody("The body is no object.")
    fields = cast("JsonObject", body)
    if isinstance(payload := fields.get("payload"), str):
        try:
            inner: Any = json.loads(payload)
        except ValueError as error:
            raise UnreadableBody("The payload is not JSON.") from error
        trigger = cast("JsonObject", inner).get("trigger_id") if isinstance(inner, dict) else None
        return {"type": INTERACTION, "payload": inner, "trigger_id": trigger}
    if "command" in fields:
        # The token is the older way to show who sends this, and nobody needs to keep it.
        return {"type": COMMAND, **{name: fields[name] for name in fields if name != "token"}}
    return {name: fields[name] for name in fields if name != "token"}


def _is_wanted(parameters: SlackTriggerParameters, said: JsonObject) -> bool:
    event = said.get("event")
    inner: JsonObject = cast("JsonObject", event) if isinstance(event, dict) else {}
    kind = inner.get("type") or said.get("type")
    if parameters.events and kind not in parameters.events:
        return False
    if parameters.channels and not {*_channels(said, inner)} & {*parameters.channels}:
        return False
    from_bot = bool(inner.get("bot_id")) or inner.get("subtype") == "bot_message"
    return not (parameters.ignore_bots and from_bot)


def _channels(said: JsonObject, event: JsonObject) -> Iterator[str]:
    """The channels that Slack names, wherever a kind of event has them."""
    payload = said.get("payload")
    places: list[Any] = [
        said.get("channel_id"),
        event.get("channel"),
        event.get("item"),
        cast("JsonObject", payload).get("channel") if isinstance(payload, dict) else None,
    ]
    for place in places:
        if isinstance(place, dict):
            named = cast("JsonObject", place)
            place = named.get("channel") or named.get("id")
        if isinstance(place, str):
            yield place

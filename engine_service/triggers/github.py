"""`trigger.github`: an event of a repository or an organization on GitHub starts the run."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from pydantic import Field

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import Accepted, Answered, IncomingRequest, Refused, WebhookTrigger
from engine_service.web.request_bodies import UnreadableBody, read_body
from engine_service.web.signatures import Proof, Wrong, verify
from shared.workflow import JsonObject

_IGNORED: JsonObject = {"ignored": True}


class GitHubTriggerParameters(NodeParameters):
    """Where it listens, and to what."""

    path: str = Field(
        default="github",
        max_length=200,
        pattern=r"^\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
        description="The address below the tenant's hooks, to be entered at GitHub",
    )
    secret: str = Field(
        default="",
        max_length=4_000,
        json_schema_extra={"writeOnly": True},
        description="The webhook's secret, as it is entered at GitHub",
    )
    events: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="Only these events, such as `push`, `issues`, `pull_request`; all when empty",
    )
    actions: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="Only these actions of events that have some, such as `opened`",
    )
    repositories: list[str] = Field(
        default_factory=list[str], max_length=100, description="Only of these, as `owner/name`"
    )
    branches: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="Only pushes to these branches, and pull requests into them",
    )


class GitHubTrigger(WebhookTrigger[GitHubTriggerParameters]):
    """Starts a run for every event of a repository or an organization on GitHub.

    In the repository's settings, under Webhooks, `https://<the gateway>/v1/hooks/<tenant>/<path>`
    is the Payload URL, together with a secret of one's own; either content type will do. Every
    request must carry the signature that the secret makes; GitHub's ping is answered.

    The run's item is `{event, action, repository, sender, body}`, where `body` is all that
    GitHub says. `events`, `actions`, `repositories` and `branches` say which start a run; the
    others are answered and forgotten. A delivery that is sent again starts no second run.
    """

    Parameters = GitHubTriggerParameters
    type = "trigger.github"
    title = "GitHub event"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"secret": "the webhook's secret", "events": ["issues"], "actions": ["opened"]},
        {"path": "github/deploy", "secret": "the webhook's secret", "events": ["push"],
         "repositories": ["octo/hello"], "branches": ["main"]},
    )  # fmt: skip
    keywords = (
        "github event", "when an issue is opened", "on push", "pull request opened", "new commit",
        "github webhook", "github trigger", "github事件", "代码推送", "新issue",
    )  # fmt: skip

    def path(self, parameters: GitHubTriggerParameters) -> str:
        return parameters.path

    def receive(
        self,
        parameters: GitHubTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> Accepted | Answered | Refused:
        if request.method != "POST":
            return Refused(405, "This webhook takes POST.")
        verdict = verify(Proof("github"), request, secret or parameters.secret, now)
        if isinstance(verdict, Wrong):
            return Refused(401, verdict.message)
        event = request.headers.get("x-github-event", "")
        if event == "ping":
            return Answered({"pong": True})
        try:
            payload = _read(request)
        except UnreadableBody as error:
            return Refused(400, str(error))
        if not _is_wanted(parameters, event, payload):
            return Answered(_IGNORED)
        item: JsonObject = {
            "event": event,
            "action": payload.get("action"),
            "repository": _named(payload, "repository", "full_name"),
            "sender": _named(payload, "sender", "login"),
            "body": payload,
        }
        return Accepted({"json": item}, verdict.delivery_id, "at_once")

    @classmethod
    def check(cls, parameters: GitHubTriggerParameters) -> Sequence[tuple[str, str, str]]:
        if not parameters.secret:
            return [("/secret", "missing", "GitHub's requests are checked by the secret.")]
        return []


def _read(request: IncomingRequest) -> JsonObject:
    """What GitHub says, as JSON or as a form with JSON in it.

    Raises:
        UnreadableBody: It is neither.
    """
    body: Any = read_body(request.headers.get("content-type", ""), request.body)
    if isinstance(body, dict) and isinstance(cast("JsonObject", body).get("payload"), str):
        try:
            body = json.loads(cast("JsonObject", body)["payload"])
        except ValueError as error:
            raise UnreadableBody("The payload is not JSON.") from error
    if not isinstance(body, dict):
        raise UnreadableBody("The body is no object.")
    return cast("JsonObject", body)


def _is_wanted(parameters: GitHubTriggerParameters, event: str, payload: JsonObject) -> bool:
    wanted: list[tuple[list[str], Any]] = [
        (parameters.events, event),
        (parameters.repositories, _named(payload, "repository", "full_name")),
    ]
    if payload.get("action") is not None:
        wanted.append((parameters.actions, payload["action"]))
    if (branch := _branch(payload)) is not None:
        wanted.append((parameters.branches, branch))
    return all(not choices or value in choices for choices, value in wanted)


def _branch(payload: JsonObject) -> str | None:
    """The branch that is pushed to, or that a pull request wants to go into."""
    request = payload.get("pull_request")
    if isinstance(request, dict):
        return _named(cast("JsonObject", request), "base", "ref")
    ref = payload.get("ref")
    return ref.removeprefix("refs/heads/") if isinstance(ref, str) else None


def _named(payload: JsonObject, key: str, name: str) -> str | None:
    inner = payload.get(key)
    value = cast("JsonObject", inner).get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else None

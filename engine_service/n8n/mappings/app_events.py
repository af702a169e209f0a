"""Events of apps that begin a run: Slack and GitHub."""

from typing import Any, cast

from engine_service.n8n.mapping import Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject


def _path(node: SourceNode, app: str) -> str:
    """An address of its own; n8n gives each such node an id."""
    own: Any = node.raw.get("webhookId")
    return f"{app}/{own}" if isinstance(own, str) and own.replace("-", "").isalnum() else app


def _listed(fields: Fields, name: str, everything: str) -> list[str]:
    found: Any = fields.fixed(name, [])
    words = cast("list[Any]", found) if isinstance(found, list) else [found]
    return [] if everything in words else [str(word) for word in words]


def _slack(node: SourceNode) -> Mapped:
    fields = node.fields
    fields.ignore("authentication", "options", "watchWorkspace")
    channel = fields.located("channelId")
    parameters: JsonObject = {
        "path": _path(node, "slack"),
        "events": _listed(fields, "trigger", "any_event"),
        "channels": [channel] if channel and not fields.flag("watchWorkspace") else [],
        "event_only": True,
        "ignore_bots": False,
    }
    fields.differ("Enter the app's signing secret in 'secret', and the new address at Slack.")
    return Mapped("trigger.slack", parameters)


def _github(node: SourceNode) -> Mapped:
    fields = node.fields
    fields.ignore("authentication", "options")
    owner, repository = fields.located("owner"), fields.located("repository")
    parameters: JsonObject = {
        "path": _path(node, "github"),
        "events": _listed(fields, "events", "*"),
        "repositories": [f"{owner}/{repository}"] if owner and repository else [],
    }
    fields.differ("Enter the new address at GitHub yourself, with a secret, and that in 'secret'.")
    fields.differ("The item has 'body' and 'event', but not the headers of the request.")
    return Mapped("trigger.github", parameters)


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.slackTrigger",), _slack),
    NodeMapping(("n8n-nodes-base.githubTrigger",), _github),
)

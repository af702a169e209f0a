"""What goes live with a version: the rows of its clock triggers, webhooks, polls and tools.

Every activation gives its triggers new ids, so that whoever still holds an old row in memory is
told so when a run is to begin with it.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from engine_service.catalogue import Catalogue
from engine_service.definitions.hidden import split
from engine_service.sdk.trigger import ClockTrigger, PollTrigger, ToolTrigger, WebhookTrigger
from engine_service.store.triggers import LiveTrigger, shape_of
from engine_service.store.versions import StoredVersion
from engine_service.triggering.hooks import place, tool_place
from shared.errors import InvalidInput, Violation
from shared.ids import new_id
from shared.workflow import Workflow, pointer

_LIVE = (ClockTrigger, WebhookTrigger, PollTrigger, ToolTrigger)


def live_triggers(
    version: StoredVersion, definition: Workflow, catalogue: Catalogue, now: datetime
) -> list[LiveTrigger]:
    """The rows of a valid definition; a manual trigger needs none, for nothing sets it off."""
    zone = definition.settings.timezone
    rows: list[LiveTrigger] = []
    for node in definition.nodes:
        trigger = catalogue.find(node.type, node.version)
        if node.disabled or not isinstance(trigger, _LIVE):
            continue
        parameters = trigger.Parameters.model_validate(node.parameters)
        secrets, shown = split(trigger.Parameters, node.parameters)
        row = LiveTrigger(
            id=new_id("trg"),
            tenant_id=version.tenant_id,
            workflow_id=version.workflow_id,
            version=version.number,
            node_id=node.id,
            type=node.type,
            parameters=shown,
            timezone=zone,
            secret=next(iter(secrets.values()), ""),
            created_at=now,
            credentials=dict(node.credentials),
        )
        match trigger:
            case ClockTrigger():
                due = trigger.next_fire_at(parameters, now, zone)
                rows.append(replace(row, next_fire_at=due))
            case WebhookTrigger():
                shape = shape_of(f"{version.tenant_id}/{trigger.path(parameters)}")
                path = place(trigger.door, shape)
                rows.append(replace(row, path=path))
            case ToolTrigger():
                name = trigger.tool(parameters).name
                rows.append(replace(row, path=tool_place(version.tenant_id, name)))
            case PollTrigger():
                rows.append(replace(row, next_poll_at=now))
    return rows


def carried_over(
    live: Iterable[LiveTrigger], before: Iterable[LiveTrigger], catalogue: Catalogue
) -> list[LiveTrigger]:
    """The rows, with what triggers that are live until now know of the very same sources.

    So a new version misses nothing that is new between the looks of the old one and its own.
    """
    known = {row.node_id: row for row in before}
    return [_carried_over(row, known.get(row.node_id), catalogue) for row in live]


def _carried_over(row: LiveTrigger, old: LiveTrigger | None, catalogue: Catalogue) -> LiveTrigger:
    trigger = catalogue.find(row.type)
    if old is None or old.type != row.type or not isinstance(trigger, PollTrigger):
        return row
    try:
        sources = [
            trigger.source(trigger.Parameters.model_validate(each.parameters))
            for each in (row, old)
        ]
    except ValidationError:  # the old one is of an engine before this
        return row
    same = sources[0] == sources[1] and row.credentials == old.credentials
    return replace(row, cursor=old.cursor, polled_at=old.polled_at) if same else row


def refuse_taken(definition: Workflow, live: Iterable[LiveTrigger], taken: Collection[str]) -> None:
    """Refuse to go live on paths where another workflow of the tenant listens.

    Raises:
        InvalidInput: Some path is taken; each one is a violation.
    """
    places = {node.id: place for place, node in enumerate(definition.nodes)}
    violations = [
        Violation(
            pointer(["nodes", places[row.node_id], "parameters"]),
            "webhook_path_taken",
            f"Another active workflow listens on {row.path!r}.",
            "Give it another path or name, or deactivate the other workflow.",
        )
        for row in live
        if row.path in taken
    ]
    if violations:
        raise InvalidInput(
            "The workflow cannot be activated as it is.",
            reason="INVALID_DEFINITION",
            violations=violations,
        )

"""What goes live with a version: the rows of its clock triggers and webhooks.

Every activation gives its triggers new ids, so that whoever still holds an old row in memory is
told so when a run is to begin with it.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from engine_service.catalogue import Catalogue
from engine_service.hidden import split
from engine_service.store.triggers import LiveTrigger
from engine_service.store.versions import StoredVersion
from engine_service.trigger import ClockTrigger, WebhookTrigger
from shared.errors import InvalidInput, Violation
from shared.ids import new_id
from shared.workflow import Workflow, pointer


def live_triggers(
    version: StoredVersion, definition: Workflow, catalogue: Catalogue, now: datetime
) -> list[LiveTrigger]:
    """The rows of a valid definition; a manual trigger needs none, for nothing sets it off."""
    zone = definition.settings.timezone
    rows: list[LiveTrigger] = []
    for node in definition.nodes:
        trigger = catalogue.find(node.type, node.version)
        if node.disabled or not isinstance(trigger, ClockTrigger | WebhookTrigger):
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
        )
        match trigger:
            case ClockTrigger():
                due = trigger.next_fire_at(parameters, now, zone)
                rows.append(replace(row, next_fire_at=due))
            case WebhookTrigger():
                path = f"{version.tenant_id}/{trigger.path(parameters)}"
                rows.append(replace(row, path=path))
    return rows


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
            "Give it another path, or deactivate the other workflow.",
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

"""Stores the workflow and tells the person what it is, what was assumed and what is left to do."""

from agent_service import patching
from agent_service.author import Delivering
from agent_service.desk import Desk, speak
from agent_service.state import Change, State, changed
from shared.errors import Conflict
from shared.session_events import WorkflowSaved, WorkflowView
from shared.workflow import JsonObject

_NOTE_LENGTH = 200


async def deliver(state: State, desk: Desk) -> Change:
    """Store a new workflow, or a new version of the one at hand; the active version stays."""
    definition = state.definition or {}
    stored = state.workflow
    created = stored is None or not stored.id
    saved = await (_create(state, desk, definition) if created else _update(state, desk))
    occasion = Delivering(
        definition=saved.definition,
        created=created,
        changes=state.changes,
        assumptions=state.assumptions,
        unmatched=state.unmatched,
        findings=state.findings,
        effects=[one.summary for one in state.effects],
        trial_error=state.trial_error,
    )
    said = await speak(state, desk, occasion)
    return changed(
        WorkflowSaved(
            turn_id=state.turn.id,
            workflow_id=saved.id,
            name=saved.name,
            version=saved.latest_version,
            created=created,
        ),
        *said,
        workflow=saved,
        said=[],
        answers={},
        asked=[],
        outcome="delivered",
    )


async def _create(state: State, desk: Desk, definition: JsonObject) -> WorkflowView:
    if desk.retried:
        found = await desk.engine.find_created(definition, since=state.turn.started_at)
        if found is not None:
            return found
    return await desk.engine.create_workflow(definition)


async def _update(state: State, desk: Desk) -> WorkflowView:
    """Store the change; on top of somebody else's, if they changed something else meanwhile."""
    definition = state.definition or {}
    stored = state.workflow or WorkflowView.model_construct()
    note = state.turn.text[:_NOTE_LENGTH]
    try:
        return await desk.engine.update_workflow(stored.id, definition, stored.etag, note)
    except Conflict:
        latest = await desk.engine.get_workflow(stored.id)
        if not patching.difference(latest.definition, definition):
            return latest  # it is there already: this step had been interrupted
        operations = patching.difference(state.base or stored.definition, definition)
        rebased = patching.apply(latest.definition, operations)
        if rebased is None:
            raise
        return await desk.engine.update_workflow(stored.id, rebased, latest.etag, note)

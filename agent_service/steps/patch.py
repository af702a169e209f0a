"""Changes an existing definition, and nothing in it that was not asked for."""

from agent_service import patching
from agent_service.author import Edit, NotUnderstanding, Request
from agent_service.desk import Desk, speak
from agent_service.request import request_of
from agent_service.state import Change, State, changed
from shared.session_events import WorkflowPatch
from shared.workflow import JsonObject

_TRIES = 2


async def patch(state: State, desk: Desk) -> Change:
    """Have the author write a patch; one that reaches too far is asked for once more."""
    request = await request_of(state, desk)
    before = request.definition or {}
    edit, after = await _edit(request, desk, before)
    operations = patching.difference(before, after)
    if not operations:
        said = await speak(state, desk, NotUnderstanding(edit.unmatched or state.said[-1:]))
        return changed(*said, said=[], answers={}, asked=[], outcome="answered")
    return changed(
        WorkflowPatch(turn_id=state.turn.id, patch=operations, definition=after),
        base=before,
        definition=after,
        changes=list(edit.changes),
        assumptions=list(edit.assumptions),
        unmatched=list(edit.unmatched),
    )


async def _edit(request: Request, desk: Desk, before: JsonObject) -> tuple[Edit, JsonObject]:
    for _ in range(_TRIES):
        edit = await desk.author.patch(request, desk.library)
        after = patching.apply(before, edit.operations)
        if after is not None and not patching.outside(before, after, edit.touches):
            return edit, after
    # What it wanted reaches further than what it said it would touch: nothing is changed.
    return Edit([], [], unmatched=list(request.said[-1:])), before

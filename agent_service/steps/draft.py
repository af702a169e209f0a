"""Writes the definition that the plan describes."""

from agent_service.desk import Desk
from agent_service.request import request_of
from agent_service.state import Change, State, changed
from shared.session_events import Plan, WorkflowDraft


async def draft(state: State, desk: Desk) -> Change:
    """Have the author write; what it could not map stands in it as a placeholder."""
    request = await request_of(state, desk)
    plan = state.plan or Plan(title="", trigger="", steps=[])
    written = await desk.author.draft(request, plan, desk.library)
    assumptions = dict.fromkeys([*state.assumptions, *written.assumptions])
    return changed(
        WorkflowDraft(
            turn_id=state.turn.id,
            definition=written.definition,
            unmatched=list(written.unmatched),
        ),
        definition=written.definition,
        unmatched=list(written.unmatched),
        assumptions=list(assumptions),
    )

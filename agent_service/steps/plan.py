"""Says in plain words what will be built, before anything is."""

from agent_service.desk import Desk
from agent_service.request import request_of
from agent_service.state import Change, State, changed
from shared.session_events import PlanProposed


async def plan(state: State, desk: Desk) -> Change:
    """Propose a plan, and find what no node type does."""
    request = await request_of(state, desk)
    proposal = await desk.author.plan(request, desk.library)
    return changed(
        PlanProposed(turn_id=state.turn.id, plan=proposal.plan, lexical_only=proposal.lexical_only),
        plan=proposal.plan,
        gaps=list(proposal.gaps),
        assumptions=list(proposal.plan.assumptions),
    )

"""Looks at what no node type does, and sets aside the gaps whose way around is chosen already."""

from agent_service.desk import Desk
from agent_service.state import Change, State, changed
from shared.session_events import GapFound


async def gap(state: State, desk: Desk) -> Change:
    """Name what is missing."""
    del desk
    open_gaps = [one for one in state.gaps if one.id not in state.answers]
    named = [GapFound(turn_id=state.turn.id, gaps=open_gaps)] if open_gaps else []
    return changed(*named, gaps=open_gaps)

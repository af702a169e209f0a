"""Mends a definition that the engine refuses: by rule where one is known, else by the author."""

from agent_service import mending
from agent_service.desk import Desk
from agent_service.request import request_of
from agent_service.state import Change, State, changed
from shared.session_events import RepairStarted


async def repair(state: State, desk: Desk) -> Change:
    """One round; when nobody has an idea, the state says that repairing is stuck."""
    definition = state.definition or {}
    errors = [one for one in state.findings if one.severity == "error"]
    round_number = state.repairs + 1
    started = RepairStarted(turn_id=state.turn.id, round=round_number, findings=errors)
    catalogue = await desk.engine.catalogue()
    mended = mending.mend(definition, errors, catalogue)
    if mended is None:
        mended = await desk.author.repair(await request_of(state, desk), errors)
    if mended is None or mended == definition:
        return changed(started, repairs=round_number, stuck=True)
    return changed(started, definition=mended, repairs=round_number)

"""From the conversation's state to what an author is asked."""

from agent_service.author import Request
from agent_service.desk import Desk
from agent_service.state import State


async def request_of(state: State, desk: Desk) -> Request:
    """What the person wants, as far as it was said by now."""
    stored = state.workflow.definition if state.workflow else None
    return Request(
        said=state.said,
        answers=state.answers,
        language=state.language,
        auto=state.turn.auto,
        catalogue=await desk.engine.catalogue(),
        definition=state.definition or stored,
        asked=state.asked,
    )

"""Has the engine check the definition: no model judges what a program can."""

from agent_service.desk import Desk
from agent_service.state import Change, State, changed
from shared.session_events import ValidationReport


async def check(state: State, desk: Desk) -> Change:
    """Validate, and report what was found."""
    verdict = await desk.engine.validate(state.definition or {})
    findings = list(verdict.findings)
    return changed(
        ValidationReport(turn_id=state.turn.id, valid=verdict.valid, findings=findings),
        valid=verdict.valid,
        findings=findings,
    )

"""Has the engine run the definition without touching the world, and tells what would happen."""

from agent_service.desk import Desk
from agent_service.state import Change, State, changed
from shared.session_events import Finding, SimulationReport

_KEPT_TEXT = 2_000


async def try_out(state: State, desk: Desk) -> Change:
    """Simulate; a failure is a finding like any other, so that it can be mended."""
    trial = await desk.engine.simulate(state.definition or {})
    report = SimulationReport(
        turn_id=state.turn.id,
        status=trial.status,
        nodes=list(trial.nodes),
        effects=list(trial.effects),
        unreached=list(trial.unreached),
        error=trial.error[:_KEPT_TEXT],
    )
    findings = list(state.findings)
    if trial.error:
        place = _place(state, trial.error_node)
        findings.append(
            Finding(pointer=place, code="trial_failed", severity="error", message=trial.error)
        )
    return changed(report, effects=list(trial.effects), trial_error=trial.error, findings=findings)


def _place(state: State, node_id: str) -> str:
    nodes = (state.definition or {}).get("nodes", [])
    for index, node in enumerate(nodes):
        if node.get("id") == node_id:
            return f"/nodes/{index}"
    return ""

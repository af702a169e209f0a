"""Explains the workflow at hand, and why its latest run failed if that is what was asked."""

from agent_service.author import Explaining
from agent_service.desk import Desk, speak
from agent_service.state import Change, State, changed


async def explain(state: State, desk: Desk) -> Change:
    """Tell what the workflow does."""
    workflow = state.workflow
    failed = await desk.engine.find_failed_run(workflow.id) if workflow and workflow.id else None
    definition = workflow.definition if workflow else {}
    said = await speak(state, desk, Explaining(definition, failed))
    return changed(*said, said=[], answers={}, asked=[], outcome="answered")

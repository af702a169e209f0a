"""Reads what was said: is it an answer, a new wish, a change, a question? And what is missing?"""

from agent_service.author import Declining, Intent, NotUnderstanding
from agent_service.desk import Desk, speak
from agent_service.request import request_of
from agent_service.state import Change, State, changed
from shared.session_events import WorkflowView


async def understand(state: State, desk: Desk) -> Change:
    """Find out what the message is after; a session's first turn fetches its workflow too."""
    workflow = await _workflow_at_hand(state, desk)
    begun = state.model_copy(
        update={
            "workflow": workflow,
            "said": [*state.said, state.turn.text] if state.turn.text.strip() else state.said,
            "answers": {**state.answers, **state.turn.answers},
        }
    )
    request = await request_of(begun, desk)
    understanding = await desk.author.understand(request, state.questions)
    answers = {**begun.answers, **understanding.answers}
    missing = [
        question
        for question in understanding.questions
        if question.id not in answers and question.id not in state.asked
    ]
    fields = {
        "workflow": workflow,
        "said": state.said if understanding.is_answer else begun.said,
        "answers": answers,
        "questions": [],
        "language": understanding.language,
        "intent": understanding.intent,
        "missing": [] if state.turn.auto else missing,
        "show_plan_first": understanding.show_plan_first and not state.turn.auto,
    }
    spoken = begun.model_copy(update={"language": understanding.language})
    match understanding.intent:
        case Intent.DECLINE:
            said = await speak(spoken, desk, Declining())
            return changed(*said, **{**fields, "said": [], "answers": {}, "asked": []})
        case Intent.TALK:
            said = await speak(spoken, desk, NotUnderstanding())
            return changed(*said, **{**fields, "said": [], "answers": {}, "asked": []})
        case _:
            return changed(**fields)


async def _workflow_at_hand(state: State, desk: Desk) -> WorkflowView | None:
    """The workflow the session works on, as it is now: others may have changed it since."""
    if state.workflow is not None and state.workflow.id:
        return await desk.engine.get_workflow(state.workflow.id)
    if state.turn.workflow_id:
        return await desk.engine.get_workflow(state.turn.workflow_id)
    if state.turn.source_id:
        source = await desk.engine.get_workflow(state.turn.source_id)
        # Without an id it is nobody's yet: delivering makes a workflow of it.
        return source.model_copy(update={"id": "", "etag": ""})
    return None

"""Asks, in one bundle, what changes the result and was not said.

The turn ends here. A session may wait for weeks without holding anything, and whatever the person
says next, an answer or something else, begins at `understand`.
"""

from agent_service.author import Asking
from agent_service.desk import Desk, speak
from agent_service.state import Change, State, changed
from shared.session_events import Choice, Question, QuestionAsked

PLAN_QUESTION = "plan"
_CONFIRM = {
    "en": ("Shall I build it like this?", "Yes, build it", "No, I want something else"),
    "zh": ("就按这个方案来做吗？", "好，开始", "不，换一种"),
}


async def clarify(state: State, desk: Desk) -> Change:
    """Ask what is missing, or whether the plan is right, and end the turn."""
    questions = state.missing or [_confirmation(state.language)]
    asked = [*state.asked, *(question.id for question in questions)]
    said = await speak(state, desk, Asking(questions, None if state.missing else state.plan))
    return changed(
        QuestionAsked(turn_id=state.turn.id, questions=questions),
        *said,
        questions=questions,
        asked=asked,
        outcome="asked",
    )


def _confirmation(language: str) -> Question:
    text, yes, no = _CONFIRM.get(language, _CONFIRM["en"])
    return Question(
        id=PLAN_QUESTION,
        text=text,
        choices=[Choice(value="yes", label=yes), Choice(value="no", label=no)],
        default="yes",
    )

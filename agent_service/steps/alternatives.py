"""Puts the ways around each gap to the person; in `auto` mode takes the first and says so."""

from agent_service.author import NamingGaps
from agent_service.desk import Desk, speak
from agent_service.state import Change, State, changed
from shared.session_events import Choice, Gap, Question, QuestionAsked


async def alternatives(state: State, desk: Desk) -> Change:
    """Ask which way around to take, once; whoever does not say gets the first."""
    unasked = [one for one in state.gaps if one.id not in state.asked]
    asking = bool(unasked) and not state.turn.auto
    said = await speak(state, desk, NamingGaps(state.gaps, asking))
    if not asking:
        taken = {one.id: one.alternatives[0].id for one in state.gaps}
        return changed(*said, answers={**state.answers, **taken})
    questions = [_question(one) for one in unasked]
    return changed(
        QuestionAsked(turn_id=state.turn.id, questions=questions),
        *said,
        questions=questions,
        asked=[*state.asked, *(question.id for question in questions)],
        outcome="asked",
    )


def _question(gap: Gap) -> Question:
    return Question(
        id=gap.id,
        text=f"{gap.system}: “{gap.phrase}”",
        choices=[
            Choice(value=one.id, label=one.label, detail=one.trade_off) for one in gap.alternatives
        ],
        default=gap.alternatives[0].id,
    )

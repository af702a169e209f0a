"""The offline author: an `Author` made of readers, a composer and an editor, and of no model."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from agent_service.author import (
    Draft,
    Edit,
    Intent,
    Library,
    Occasion,
    Proposal,
    Request,
    Understanding,
)
from agent_service.authors.offline.compose import compose
from agent_service.authors.offline.edits.editor import edit, edit_questions
from agent_service.authors.offline.gaps import find_gaps
from agent_service.authors.offline.nearest import with_nearest
from agent_service.authors.offline.planner import describe_assumption, plan_of
from agent_service.authors.offline.questions import find_answers, questions_of, unfit_answers
from agent_service.authors.offline.reader import read
from agent_service.authors.offline.sayings import say
from agent_service.authors.offline.text import language_of
from shared.llm import Usage
from shared.session_events import Finding, Plan, Question
from shared.workflow import JsonObject

_DECLINE = re.compile(
    r"^\s*(?:no,? (?:thanks?|thank you)|never ?mind|forget (?:it|about it)|cancel"
    r"(?: (?:it|that|this))?|stop(?: it)?|leave it|don'?t (?:bother|build (?:it|anything))|drop it"
    r"|算了|不用了|取消|不要了|不做了)\s*[.!。！]*\s*$",
    re.IGNORECASE,
)
_EXPLAIN = re.compile(
    r"^\s*(?:please )?(?:explain|describe|what does (?:it|this|the workflow) do|how does "
    r"(?:it|this|the workflow) work|why (?:did|does|is|has)|what (?:went wrong|happened|is wrong)"
    r"|tell me (?:about|what)|show me (?:what|how)|walk me through)\b"
    r"|解释|说明一下|为什么|怎么回事|什么意思|是做什么的",
    re.IGNORECASE,
)
_ANEW = re.compile(
    r"\b(?:create|build|make|set up|start) (?:me )?(?:a |an )?(?:new|another|different|second) "
    r"(?:workflow|automation|flow)|(?:新建|另外?(?:创建|建|做))一?个",
    re.IGNORECASE,
)

_SHORT = 15
"""A message of so few words that answers a question says nothing else."""


class OfflineAuthor:
    """Reads by rule; deterministic, free, and honest about what it did not understand."""

    name = "offline"
    streams = False
    spent = Usage()

    async def understand(self, request: Request, questions: Sequence[Question]) -> Understanding:
        message = request.said[-1] if request.said else ""
        language = request.language or language_of(request.text)
        if _DECLINE.match(message):
            return Understanding(Intent.DECLINE, language)
        given = request.answers.keys() & {one.id for one in questions}
        found = {} if given else dict(find_answers(message, questions))
        unfit = {} if given or found else dict(unfit_answers(message, questions))
        only_answers = bool(unfit) or (bool(found) and len(message.split()) <= _SHORT)
        found |= unfit
        known = {**request.answers, **found}
        if only_answers:
            request = replace(request, said=request.said[:-1], answers=known)
        if request.definition is not None and not _ANEW.search(message):
            understood = self._understand_edit(request, message, language)
            return replace(understood, answers=found, is_answer=only_answers)
        reading = read(request.said, known)
        if reading.is_empty:
            explains = bool(_EXPLAIN.search(message)) and request.definition is not None
            return Understanding(Intent.EXPLAIN if explains else Intent.TALK, language)
        return Understanding(
            Intent.BUILD,
            language,
            questions=questions_of(reading.open, language),
            answers=found,
            is_answer=only_answers,
            show_plan_first=reading.show_plan_first,
        )

    def _understand_edit(self, request: Request, message: str, language: str) -> Understanding:
        if _EXPLAIN.search(message):
            return Understanding(Intent.EXPLAIN, language)
        return Understanding(Intent.EDIT, language, questions=edit_questions(request, language))

    async def plan(self, request: Request, library: Library) -> Proposal:
        reading = read(request.said, request.answers)
        plan = plan_of(reading, request.catalogue)
        suggested, lexical_only = await with_nearest(plan, library)
        return Proposal(suggested, find_gaps(reading), lexical_only)

    async def draft(self, request: Request, plan: Plan, library: Library) -> Draft:
        del plan, library  # the same words give the same reading again
        reading = read(request.said, request.answers)
        composed = compose(reading, request.catalogue)
        chinese = reading.language == "zh"
        assumed = [describe_assumption(one, chinese=chinese) for one in composed.assumptions]
        return Draft(composed.definition, composed.unmatched, assumed)

    async def patch(self, request: Request, library: Library) -> Edit:
        del library
        return edit(request)

    async def repair(self, request: Request, findings: Sequence[Finding]) -> JsonObject | None:
        """What rules can mend was mended before; there is nothing else here."""
        del request, findings
        return None

    async def say(self, occasion: Occasion, language: str) -> AsyncIterator[str]:
        yield say(occasion, language)

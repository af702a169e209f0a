"""The model's author: puts what is known into prompts, and reads answers that fit a schema.

A model may look things up with tools before it answers, so many times and no more. What it answers
is never trusted: the schema is checked here, definitions by the engine, patches for their reach.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from string import Template
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from agent_service.author import (
    Draft,
    Edit,
    Library,
    Occasion,
    Proposal,
    Request,
    Understanding,
)
from agent_service.authors.llm.answers import (
    DraftAnswer,
    PatchAnswer,
    PlanAnswer,
    RepairAnswer,
    UnderstandAnswer,
)
from agent_service.authors.llm.tools import answer_calls, tools_for
from agent_service.engine import Engine
from shared.llm import Budget, Message, Model, OutputSchema, TextDelta, Usage
from shared.llm import Request as ModelRequest
from shared.llm_errors import OutputInvalid
from shared.llms import Models
from shared.session_events import Finding, Gap, Plan, PlanStep, Question
from shared.workflow import JsonObject

A = TypeVar("A", bound=BaseModel)

_PROMPTS = Path(__file__).parents[2] / "prompts"
_ROUNDS = 6
_MAX_OUTPUT_TOKENS = 8_192
_KNOWN = 6


class LlmAuthor:
    """Asks a language model.

    Args:
        models: Where connected models come from.
        names: By step, `provider:model` (a chain with commas); the empty name is for the others.
        budget: What the session may still use.
        engine: For the model's tools.
    """

    streams = True

    def __init__(
        self, models: Models, names: Mapping[str, str], budget: Budget, engine: Engine
    ) -> None:
        self._models = models
        self._names = names
        self._budget = budget
        self._engine = engine

    @property
    def name(self) -> str:
        return self._names[""]

    @property
    def spent(self) -> Usage:
        return self._budget.spent

    async def understand(self, request: Request, questions: Sequence[Question]) -> Understanding:
        asked = [{"id": one.id, "text": one.text} for one in questions]
        answer = await self._ask("understand", request, UnderstandAnswer, questions=_dump(asked))
        return Understanding(
            intent=answer.intent,
            language=answer.language,
            questions=[Question.model_validate(one.model_dump()) for one in answer.questions],
            answers={one.id: one.answer for one in answer.answers},
            is_answer=answer.is_answer,
            show_plan_first=answer.show_plan_first,
        )

    async def plan(self, request: Request, library: Library) -> Proposal:
        found = await library.search(request.text[:2_000], limit=_KNOWN)
        known = [{"name": one.name, "title": one.title, "text": one.text} for one in found.passages]
        answer = await self._ask("plan", request, PlanAnswer, library, known=_dump(known))
        steps = [
            PlanStep(
                text=one.text,
                node_type=one.node_type if one.node_type in request.catalogue else "",
                depth=one.depth,
            )
            for one in answer.steps
        ]
        plan = Plan(
            title=answer.title,
            trigger=answer.trigger,
            steps=steps,
            credentials=answer.credentials,
            assumptions=answer.assumptions,
            estimate=answer.estimate,
        )
        gaps = [Gap.model_validate(one.model_dump()) for one in answer.gaps]
        return Proposal(plan, gaps, found.lexical_only)

    async def draft(self, request: Request, plan: Plan, library: Library) -> Draft:
        written = _dump(plan.model_dump(mode="json"))
        answer = await self._ask("draft", request, DraftAnswer, library, plan=written)
        return Draft(answer.definition, answer.unmatched, answer.assumptions)

    async def patch(self, request: Request, library: Library) -> Edit:
        answer = await self._ask("patch", request, PatchAnswer, library)
        return Edit(
            operations=answer.operations,
            touches=answer.touches,
            changes=answer.changes,
            unmatched=answer.unmatched,
            assumptions=answer.assumptions,
        )

    async def repair(self, request: Request, findings: Sequence[Finding]) -> JsonObject | None:
        wrong = _dump([one.model_dump() for one in findings])
        answer = await self._ask("repair", request, RepairAnswer, findings=wrong)
        return answer.definition

    async def say(self, occasion: Occasion, language: str) -> AsyncIterator[str]:
        facts = _dump(_facts(occasion))
        prompt = _prompt("say").substitute(language=language or "en", facts=facts)
        model = await self._model("say")
        request = ModelRequest(
            [Message.system(_prompt("system").template), Message.user(prompt)],
            max_output_tokens=1_024,
            budget=self._budget,
        )
        async with aclosing(model.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    yield delta.text

    async def _model(self, step: str) -> Model:
        return await self._models.get(self._names.get(step) or self._names[""])

    async def _ask(
        self,
        step: str,
        request: Request,
        wanted: type[A],
        library: Library | None = None,
        **facts: str,
    ) -> A:
        """One answer of the wanted shape, after as many look-ups as the model likes.

        Raises:
            OutputInvalid: The model answered something else.
        """
        model = await self._model(step)
        tools = tools_for(request, library, self._engine)
        prompt = _prompt(step).substitute(_known(request), **facts)
        messages = [Message.system(_prompt("system").template), Message.user(prompt)]
        output = OutputSchema(step, wanted.model_json_schema(), wanted.__doc__ or "")
        for left in reversed(range(_ROUNDS)):
            reply = await model.complete(
                ModelRequest(
                    messages,
                    tools=[tool.spec for tool in tools.values()],
                    tool_choice="auto" if left else "none",
                    output=output,
                    max_output_tokens=_MAX_OUTPUT_TOKENS,
                    budget=self._budget,
                )
            )
            if not reply.tool_calls:
                return _read(wanted, reply.data)
            messages += [reply.message, *await answer_calls(reply.tool_calls, tools)]
        raise OutputInvalid("The model kept looking things up and did not answer.")


def _read(wanted: type[A], data: object) -> A:
    try:
        return wanted.model_validate(data)
    except ValidationError as error:
        raise OutputInvalid(f"The model's answer is malformed: {error}") from error


def _prompt(name: str) -> Template:
    return Template((_PROMPTS / f"{name}.md").read_text(encoding="utf-8"))


def _known(request: Request) -> dict[str, str]:
    """What every prompt is given."""
    node_types = [f"- `{one.type}`: {one.description}" for one in request.catalogue.node_types]
    return {
        "said": "\n---\n".join(request.said),
        "answers": _dump(dict(request.answers)),
        "asked": ", ".join(request.asked) or "nothing",
        "auto": "yes" if request.auto else "no",
        "language": request.language or "not known yet",
        "catalogue": "\n".join(node_types),
        "definition": _dump(request.definition) if request.definition else "none",
    }


def _facts(occasion: Occasion) -> JsonObject:
    return {"occasion": type(occasion).__name__, **to_jsonable_python(occasion)}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)

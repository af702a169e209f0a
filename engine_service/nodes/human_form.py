"""`human.form`: has a person fill in a form in the middle of a run."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    Outcome,
    Services,
    Waiting,
)
from engine_service.sdk.question import Question
from engine_service.values.asking import (
    TIMEOUT,
    AskingParameters,
    approvers_of,
    check_asking,
    ends_at,
    notices_of,
    with_answer,
)
from engine_service.values.forms import FormField, check_fields, defaults_of, form_schema
from engine_service.values.samples import sample_of
from shared.workflow import JsonObject


class FormParameters(AskingParameters):
    """What is to be filled in, and by whom."""

    fields: list[FormField] = Field(
        min_length=1, max_length=50, description="What is to be filled in"
    )


class HumanForm(ActionNode[FormParameters]):
    """Has a person fill in a form, and waits for it as long as it takes.

    The run parks; other branches go on. Whoever is named in `approvers`, or else whoever may run
    workflows, fills the form in: in the list of approvals, by a call of the API with the decision
    `submit`, or on the page that a message of `notify` links to. What does not fit the fields is
    refused there and then.

    The items leave by `main`, each with the field `form`: `{values, comment, answered_by,
    answered_at}`; after `timeout` seconds by `timeout` instead.
    """

    Parameters = FormParameters
    type = "human.form"
    title = "Ask for a form"
    outputs = (MAIN, TIMEOUT)
    per_item = False
    effect = Effect.READ
    credential_types = ("smtp.account", "slack.token")
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "title": "Details for {{ $json.customer }}",
            "fields": [
                {"name": "budget", "type": "number", "title": "Budget"},
                {"name": "due", "format": "date", "title": "Due"},
                {"name": "tags", "type": "array", "choices": ["new", "vip"], "required": False},
            ],
        },
        {
            "title": "Which address is right?",
            "approvers": ["sales@example.com"],
            "notify": [{"by": "email"}],
            "timeout": 172800,
            "fields": [{"name": "address", "format": "multiline", "title": "Address"}],
        },
    )
    keywords = (
        "form", "fill in", "questionnaire", "input", "ask for details", "enter", "survey",
        "data entry", "human input",
        "表单", "填写", "输入", "问卷", "人工输入",
    )  # fmt: skip

    @classmethod
    def check(cls, parameters: FormParameters) -> Sequence[tuple[str, str, str]]:
        return [*check_fields(parameters.fields), *check_asking(parameters)]

    async def run(self, given: NodeInput[FormParameters], services: Services) -> Outcome:
        del services
        parameters = given.parameters_for(0)
        if given.resumption is None:
            question = Question(
                parameters.title,
                parameters.message,
                approvers_of(parameters),
                form_schema(parameters.fields),
                kind="form",
                notices=notices_of(parameters),
            )
            return Waiting(ends_at(parameters, given.now), question)
        answer = given.resumption.answer
        if answer is None:
            return Done({TIMEOUT: given.items})
        return Done({MAIN: with_answer(given.items, "form", _shown(parameters, answer))})

    def plan(self, parameters: FormParameters) -> str:
        whom = ", ".join(parameters.approvers) or "any operator"
        return f"Have {whom} fill in: {parameters.title}"

    def sample(self, given: NodeInput[FormParameters]) -> Done:
        parameters = given.parameters_for(0)
        filled: Any = sample_of(form_schema(parameters.fields))
        answer = {"form": filled, "answered_by": "sample@example.com"}
        shown = _shown(parameters, {**answer, "answered_at": given.now.isoformat()})
        return Done({MAIN: with_answer(given.items, "form", shown)})


def _shown(parameters: FormParameters, answer: JsonObject) -> JsonObject:
    form: Any = answer.get("form")
    return {
        "values": {**defaults_of(parameters.fields), **(form if isinstance(form, dict) else {})},
        "comment": answer.get("comment") or "",
        "answered_by": answer.get("answered_by") or "",
        "answered_at": answer.get("answered_at") or "",
    }

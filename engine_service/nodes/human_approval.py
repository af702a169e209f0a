"""`human.approval`: asks a person, and waits for the answer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from engine_service.node import (
    ActionNode,
    Done,
    Effect,
    NodeInput,
    NodeParameters,
    Outcome,
    Question,
    Services,
    Waiting,
)
from engine_service.values.forms import FormField, check_fields, defaults_of, form_schema
from shared.workflow import Item, JsonObject

APPROVED, REJECTED, TIMEOUT = "approved", "rejected", "timeout"
YES = "approve"
MOST_SECONDS = 366 * 86_400


class ApprovalParameters(NodeParameters):
    """Whom to ask, and what."""

    title: str = Field(min_length=1, max_length=200, description="The question in a line")
    message: str = Field(
        default="", max_length=20_000, description="What there is to decide on, in Markdown"
    )
    approvers: list[str] = Field(
        default_factory=list[str],
        max_length=50,
        description="Who may answer: e-mail addresses or user ids, whatever their role; every "
        "operator, editor and owner when empty",
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="Seconds after which the items leave by the port `timeout`; for ever when not "
        "given",
    )
    fields: list[FormField] = Field(
        default_factory=list[FormField],
        max_length=50,
        description="What else the person fills in; it comes as `approval.form`",
    )


class HumanApproval(ActionNode[ApprovalParameters]):
    """Asks a person to approve something, and waits for the answer as long as it takes.

    The run parks; other branches go on. The items then leave by `approved`, `rejected` or, when
    nobody answered in time, `timeout`, each with the field `approval`: `{decision, comment,
    form, answered_by}`.

    Only an explicit yes is a yes: whatever else is said leads to `rejected`, and silence to
    `timeout`. With `fields` the answer carries a typed form. The first answer counts. Those named
    in `approvers` may answer, viewers included; when nobody is named, whoever may run workflows.
    """

    Parameters = ApprovalParameters
    type = "human.approval"
    title = "Ask for approval"
    outputs = (APPROVED, REJECTED, TIMEOUT)
    per_item = False
    effect = Effect.READ
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "title": "Send the offer to {{ $json.customer }}?",
            "message": "Total: **{{ $json.total }}**",
            "approvers": ["lead@example.com"],
            "timeout": 86400,
        },
        {
            "title": "Approve the refund?",
            "fields": [{"name": "amount", "type": "number", "title": "How much?"}],
        },
    )
    keywords = (
        "approval", "approve", "ask me first", "ask", "confirm", "human in the loop", "review",
        "permission", "sign off", "manual check",
        "审批", "批准", "人工", "确认", "审核", "先问我", "同意",
    )  # fmt: skip

    @classmethod
    def check(cls, parameters: ApprovalParameters) -> Sequence[tuple[str, str, str]]:
        return list(check_fields(parameters.fields))

    async def run(self, given: NodeInput[ApprovalParameters], services: Services) -> Outcome:
        del services
        parameters = given.parameters_for(0)
        if given.resumption is None:
            return _ask(parameters, given)
        answer = given.resumption.answer
        if answer is None:
            return Done({TIMEOUT: _with_answer(given.items, {"decision": None})})
        port = APPROVED if answer.get("decision") == YES else REJECTED
        return Done({port: _with_answer(given.items, _shown(parameters, answer))})

    def plan(self, parameters: ApprovalParameters) -> str:
        whom = ", ".join(parameters.approvers) or "any operator"
        return f"Ask {whom}: {parameters.title}"

    def sample(self, given: NodeInput[ApprovalParameters]) -> Done:
        parameters = given.parameters_for(0)
        answer = {"decision": YES, "comment": "", "answered_by": "sample@example.com"}
        return Done({APPROVED: _with_answer(given.items, _shown(parameters, answer))})


def _ask(parameters: ApprovalParameters, given: NodeInput[ApprovalParameters]) -> Waiting:
    question = Question(
        parameters.title,
        parameters.message,
        tuple(parameters.approvers),
        form_schema(parameters.fields) if parameters.fields else None,
    )
    limit = parameters.timeout
    until = given.now + timedelta(seconds=limit) if limit is not None else None
    return Waiting(until, question)


def _shown(parameters: ApprovalParameters, answer: JsonObject) -> JsonObject:
    form: Any = answer.get("form")
    return {
        "decision": answer.get("decision"),
        "comment": answer.get("comment") or "",
        "form": {**defaults_of(parameters.fields), **(form if isinstance(form, dict) else {})},
        "answered_by": answer.get("answered_by") or "",
    }


def _with_answer(items: Sequence[Item], answer: JsonObject) -> list[Item]:
    """The items with the answer; one that holds only the answer when there were none."""
    if not items:
        return [{"json": {"approval": answer}}]
    return [
        {**item, "json": {**item["json"], "approval": answer}, "paired_item": index}
        for index, item in enumerate(items)
    ]

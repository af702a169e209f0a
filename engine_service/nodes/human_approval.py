"""`human.approval`: asks people, and waits for the answer."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from engine_service.sdk.node import (
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
from engine_service.values.votes import YES
from shared.workflow import JsonObject

APPROVED, REJECTED = "approved", "rejected"


class ApprovalParameters(AskingParameters):
    """Whom to ask, and what."""

    quorum: int = Field(default=1, ge=1, le=50, description="How many must say yes")
    first_rejection_decides: bool = Field(
        default=True,
        description="Whether the first no is the answer; otherwise the answer is no once the "
        "quorum is out of reach",
    )
    fields: list[FormField] = Field(
        default_factory=list[FormField],
        max_length=50,
        description="What else a person who says yes fills in; it comes as `approval.form`",
    )


class HumanApproval(ActionNode[ApprovalParameters]):
    """Asks people to approve something, and waits for the answer as long as it takes.

    The run parks; other branches go on. The items then leave by `approved`, `rejected` or, when
    nobody answered in time, `timeout`, each with the field `approval`: `{decision, comment,
    form, answered_by, answered_at, answers, delegations}`. `answers` has what each person said.

    Only an explicit yes is a yes: whatever else is said leads to `rejected`, and silence to
    `timeout`. Nobody answers twice.

    - **Who.** Those named in `approvers` may answer, viewers included; when nobody is named,
      whoever may run workflows. An approver may hand their part over to somebody else.
    - **How many.** `quorum` of them must say yes. The first no decides, unless
      `first_rejection_decides` is false.
    - **How they hear of it.** The question is in the list of approvals. With `notify` they get a
      message as well, by e-mail or Slack, with a signed link to a page on which they answer
      without an account; with `remind_every` they get it again until they have. A message that
      cannot be sent is tried again, and the question stays open all the same.
    - **Forms.** With `fields` a yes carries a typed form.
    """

    Parameters = ApprovalParameters
    type = "human.approval"
    title = "Ask for approval"
    outputs = (APPROVED, REJECTED, TIMEOUT)
    per_item = False
    effect = Effect.READ
    credential_types = ("smtp.account", "slack.token")
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
        {
            "title": "Release version {{ $json.version }}?",
            "approvers": ["ada@example.com", "bob@example.com", "cy@example.com"],
            "quorum": 2,
            "first_rejection_decides": False,
            "notify": [{"by": "email"}],
            "remind_every": 14400,
        },
    )
    keywords = (
        "approval", "approve", "ask me first", "ask", "confirm", "human in the loop", "review",
        "permission", "sign off", "manual check", "quorum", "four eyes",
        "审批", "批准", "人工", "确认", "审核", "先问我", "同意", "会签",
    )  # fmt: skip

    @classmethod
    def check(cls, parameters: ApprovalParameters) -> Sequence[tuple[str, str, str]]:
        found = [*check_fields(parameters.fields), *check_asking(parameters)]
        asked = len(approvers_of(parameters))
        if asked and parameters.quorum > asked:
            message = f"Only {asked} may answer, and {parameters.quorum} must say yes."
            found.append(("/quorum", "out_of_reach", message))
        return found

    async def run(self, given: NodeInput[ApprovalParameters], services: Services) -> Outcome:
        del services
        parameters = given.parameters_for(0)
        if given.resumption is None:
            return _ask(parameters, given)
        answer = given.resumption.answer
        if answer is None:
            return Done({TIMEOUT: with_answer(given.items, "approval", {"decision": None})})
        port = APPROVED if answer.get("decision") == YES else REJECTED
        return Done({port: with_answer(given.items, "approval", _shown(parameters, answer))})

    def plan(self, parameters: ApprovalParameters) -> str:
        whom = ", ".join(parameters.approvers) or "any operator"
        return f"Ask {whom}: {parameters.title}"

    def sample(self, given: NodeInput[ApprovalParameters]) -> Done:
        parameters = given.parameters_for(0)
        answer = {"decision": YES, "comment": "", "answered_by": "sample@example.com"}
        shown = _shown(parameters, {**answer, "answered_at": given.now.isoformat()})
        return Done({APPROVED: with_answer(given.items, "approval", shown)})


def _ask(parameters: ApprovalParameters, given: NodeInput[ApprovalParameters]) -> Waiting:
    approvers = approvers_of(parameters)
    # A quorum of more than there are would leave the run waiting for what cannot come.
    quorum = min(parameters.quorum, len(approvers)) if approvers else parameters.quorum
    question = Question(
        parameters.title,
        parameters.message,
        approvers,
        form_schema(parameters.fields) if parameters.fields else None,
        quorum=quorum,
        first_rejection_decides=parameters.first_rejection_decides,
        notices=notices_of(parameters),
    )
    return Waiting(ends_at(parameters, given.now), question)


def _shown(parameters: ApprovalParameters, answer: JsonObject) -> JsonObject:
    form: Any = answer.get("form")
    return {
        "decision": answer.get("decision"),
        "comment": answer.get("comment") or "",
        "form": {**defaults_of(parameters.fields), **(form if isinstance(form, dict) else {})},
        "answered_by": answer.get("answered_by") or "",
        "answered_at": answer.get("answered_at") or "",
        "answers": answer.get("answers") or [],
        "delegations": answer.get("delegations") or [],
    }

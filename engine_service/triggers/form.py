"""`trigger.form`: somebody fills in a form on a page of its own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Outcome
from engine_service.sdk.shape import Shape
from engine_service.sdk.trigger import Accepted, HostedTrigger, IncomingRequest, Refused
from engine_service.values.filled import read_fields
from engine_service.values.forms import (
    FormField,
    check_fields,
    defaults_of,
    form_schema,
    form_shape,
    form_validator,
    misfits,
)
from engine_service.web.request_bodies import UnreadableBody, read_body
from engine_service.web.signatures import Proof, Wrong, verify
from shared.workflow import JsonObject

_PREFIX = "field."
_HONEYPOT = "website"
_SUBMISSION = "submission"


class FormTriggerParameters(NodeParameters):
    """What the page asks, of whom, and what comes after it."""

    path: str = Field(
        max_length=200,
        pattern=r"^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
        description="The address of the page below the tenant's forms, such as `contact`",
    )
    title: str = Field(min_length=1, max_length=200, description="What stands above the form")
    description: str = Field(default="", max_length=20_000, description="And below that: Markdown")
    fields: list[FormField] = Field(
        min_length=1, max_length=100, description="What is to be filled in"
    )
    button: str = Field(
        default="Submit", min_length=1, max_length=100, description="What the button says"
    )
    auth: Literal["none", "basic"] = Field(
        default="none", description="Whether the page asks for a user and a password"
    )
    secret: str = Field(
        default="",
        max_length=4_000,
        json_schema_extra={"writeOnly": True},
        description="For auth basic: `user:password`",
    )
    response_mode: Literal["at_once", "last_node", "respond_node"] = Field(
        default="at_once",
        description="What follows: a page that says thank you, one with the items of the last "
        "node, or what a `flow.respond` node answers",
    )
    thanks: str = Field(
        default="Thank you. Your answers have arrived.",
        max_length=5_000,
        description="What the page says afterwards, in Markdown",
    )


class FormTrigger(HostedTrigger[FormTriggerParameters]):
    """Starts a run for every form that is filled in on a page of its own.

    The page is at `/v1/forms/{tenant}/{path}`, needs no account and no scripts, and shows the
    fields in order. What does not fit them is refused with a word to each field. The run's item
    holds the fields' values and `submitted_at`. Programs may send the same fields as JSON.

    A form is stored before it is answered, and one that is sent twice starts one run. A hidden
    field that only programs fill in keeps the simplest of them away.
    """

    Parameters = FormTriggerParameters
    type = "trigger.form"
    title = "Form"
    door = "form"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "path": "contact",
            "title": "Write to us",
            "fields": [
                {"name": "email", "format": "email", "title": "Your address"},
                {"name": "message", "format": "multiline", "title": "Your message"},
            ],
        },
        {
            "path": "holidays",
            "title": "Ask for a holiday",
            "auth": "basic",
            "secret": "team:a long random text",
            "fields": [
                {"name": "first_day", "format": "date"},
                {"name": "days", "type": "number"},
                {"name": "kind", "choices": ["holiday", "unpaid"], "default": "holiday"},
            ],
            "response_mode": "last_node",
        },
    )
    keywords = (
        "form", "web form", "form submission", "survey", "questionnaire", "sign-up form",
        "contact form", "intake", "when somebody fills in",
        "表单", "网页表单", "问卷", "提交表单", "填写表单", "报名",
    )  # fmt: skip

    def path(self, parameters: FormTriggerParameters) -> str:
        return parameters.path

    def run(self, given: NodeInput[FormTriggerParameters]) -> Outcome:
        return Done({MAIN: given.items})

    def input_schema(self, parameters: FormTriggerParameters) -> JsonObject | None:
        return {**form_schema(parameters.fields), "additionalProperties": True}

    def page(
        self,
        parameters: FormTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> JsonObject | Refused:
        if refused := _stranger(parameters, request, secret, now):
            return refused
        return {
            "title": parameters.title,
            "description": parameters.description,
            "schema": form_schema(parameters.fields),
            "button": parameters.button,
            "thanks": parameters.thanks,
            "response_mode": parameters.response_mode,
        }

    def receive(
        self,
        parameters: FormTriggerParameters,
        request: IncomingRequest,
        secret: str,
        now: datetime,
    ) -> Accepted | Refused:
        if request.method != "POST":
            return Refused(405, "A form is sent by POST.")
        if refused := _stranger(parameters, request, secret, now):
            return refused
        kind = request.headers.get("content-type", "")
        try:
            body = read_body(kind, request.body)
        except UnreadableBody as error:
            return Refused(400, str(error))
        if not isinstance(body, dict):
            return Refused(400, "The form is no object of fields.")
        return _filled(parameters, body, is_json="json" in kind, now=now)  # pyright: ignore[reportUnknownArgumentType] (JSON, checked against its schema)

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        del given
        return form_shape(parameters.get("fields")).extended({"submitted_at": "string"})

    @classmethod
    def check(cls, parameters: FormTriggerParameters) -> Sequence[tuple[str, str, str]]:
        found = list(check_fields(parameters.fields))
        if parameters.auth == "basic" and ":" not in parameters.secret:
            found.append(("/secret", "missing", "Basic authentication needs `user:password`."))
        return found


def _stranger(
    parameters: FormTriggerParameters, request: IncomingRequest, secret: str, now: datetime
) -> Refused | None:
    verdict = verify(Proof(parameters.auth), request, secret or parameters.secret, now)
    return Refused(401, verdict.message) if isinstance(verdict, Wrong) else None


def _filled(
    parameters: FormTriggerParameters, body: Mapping[str, Any], *, is_json: bool, now: datetime
) -> Accepted | Refused:
    """What a body that was sent comes to; a browser's is told by the prefix of its fields."""
    schema = form_schema(parameters.fields)
    if is_json:
        values, submission = dict(body), None
    else:
        if body.get(_HONEYPOT):
            # Whoever fills in what nobody sees is told what it wants to hear.
            return Refused(202, "Thank you.")
        sent = {
            name.removeprefix(_PREFIX): value for name, value in body.items()
            if name.startswith(_PREFIX)
        }  # fmt: skip
        values, submission = read_fields(schema, sent), body.get(_SUBMISSION)
    if wrong := misfits(form_validator(schema), values, ["form"]):
        return Refused(422, "The form does not fit.", wrong)
    at = now.astimezone(UTC).isoformat(timespec="milliseconds")
    filled = {"submitted_at": at, **defaults_of(parameters.fields), **values}
    delivery_id = f"form-{submission}" if isinstance(submission, str) and submission else None
    return Accepted({"json": filled}, delivery_id, parameters.response_mode)

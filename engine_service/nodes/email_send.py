"""`email.send`: sends e-mail."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from engine_service.credentials.smtp_account import SmtpAccount, SmtpFields
from engine_service.protocols.account import open_account
from engine_service.protocols.letters import Attachment, Letter, seal
from engine_service.protocols.smtp import Delivery, Mailer
from engine_service.sdk.blob import UNKNOWN_TYPE, Blobs
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject

Addresses = str | list[str]
_MOST_BYTES = 25 * 1024 * 1024
_TYPE = r"^[\w.+-]+/[\w.+-]+$"


class File(BaseModel):
    """A file to attach."""

    model_config = ConfigDict(extra="forbid")

    binary: str = Field(
        default="", max_length=200, description="The name of a file of the item, such as `data`"
    )
    filename: str = Field(
        default="", max_length=255, description="Its name; a file of the item has one already"
    )
    content_type: str = Field(
        default="", pattern=rf"^$|{_TYPE}", description="Its media type, if it has none already"
    )
    text: str | None = Field(default=None, description="What is in it, as a text")
    base64: str | None = Field(default=None, description="What is in it, as base64")


class EmailParameters(NodeParameters):
    """Who gets what."""

    to: Addresses = Field(
        description="Who gets it: addresses such as `ada@example.com` or `Ada <ada@example.com>`; "
        "a list, or one text with commas"
    )
    subject: str = Field(default="", max_length=2_000, description="The subject")
    text: str = Field(default="", description="The message as plain text")
    html: str = Field(default="", description="The message as HTML, for readers that show it")
    sender: str = Field(
        default="", max_length=500, description="From whom; the credential's sender when empty"
    )
    cc: Addresses = Field(default="", description="Who gets a copy, for all to see")
    bcc: Addresses = Field(default="", description="Who gets a copy that nobody is told of")
    reply_to: Addresses = Field(default="", description="Where answers go, if not to the sender")
    attachments: list[File] = Field(
        default_factory=list[File], max_length=50, description="Files that go with it"
    )


class EmailSend(ActionNode[EmailParameters]):
    """Sends an e-mail for each item, over an SMTP account.

    A message has a `text`, an `html` or both. Several recipients see each other in `to` and `cc`;
    nobody sees `bcc`. The item that comes out holds `{message_id, accepted, rejected, response}`;
    a message that no recipient could get fails the item.

    **Repeats.** A message's Message-ID is made of the run, the node and the item, so mail programs
    and servers recognise a repeat. When the connection breaks while a message is under way, nobody
    knows whether it went out: the node then fails as such and is not repeated by itself.
    """

    Parameters = EmailParameters
    type = "email.send"
    title = "Send an e-mail"
    effect = Effect.UNSAFE
    credential_types = (SmtpAccount.type,)
    needs_credential = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "to": "{{ $json.email }}",
            "subject": "Welcome, {{ $json.name }}",
            "text": "Hello {{ $json.name }},\n\nyour account is ready.",
        },
        {
            "to": ["Team <team@example.com>", "lead@example.com"],
            "subject": "Today's report",
            "html": "<h1>{{ $json.total }} orders</h1>",
            "reply_to": "reports@example.com",
            "attachments": [
                {"filename": "report.csv", "content_type": "text/csv", "text": "id,total\n1,150\n"}
            ],
        },
    )
    keywords = (
        "email", "e-mail", "mail", "send an email", "smtp", "email me", "newsletter", "inbox",
        "message", "gmail", "邮件", "发邮件", "电子邮件", "邮箱", "发送邮件",
    )  # fmt: skip

    async def run(self, given: NodeInput[EmailParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        account = await open_account(services.credentials, SmtpAccount.type, SmtpFields)
        mailer = Mailer(services.network, account)
        sent: list[Item] = []
        failures: list[ItemFailure] = []
        failed: Failed | None = None
        try:
            for index in range(len(given.items)):
                try:
                    letter = _letter(given, index, services.idempotency_key, account)
                    wanted = given.parameters_for(index).attachments
                    files = await _files(wanted, given.items[index], services.blobs)
                    delivery = await mailer.send(replace(letter, attachments=files))
                    sent.append(_told(delivery, index))
                except NodeError as error:
                    failed = error.failure
                    if len(given.items) == 1 or not failed.outcome_known:
                        return failed
                    failures.append(ItemFailure(index, failed.code, failed.message))
        finally:
            mailer.close()
        # With nothing sent there is nothing to keep, and the engine can repeat the whole node.
        return failed if failed is not None and not sent else Done({MAIN: sent}, failures)

    def plan(self, parameters: EmailParameters) -> str:
        whom = ", ".join(_listed(parameters.to)) or "nobody"
        return " ".join(f"E-mail to {whom}: {parameters.subject}".split())

    def sample(self, given: NodeInput[EmailParameters]) -> Done:
        return Done({MAIN: [_sample(given, index) for index in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: EmailParameters) -> Sequence[tuple[str, str, str]]:
        if not parameters.text and not parameters.html:
            return [("/text", "missing", "The message is empty: give it a text or HTML.")]
        return [
            (
                f"/attachments/{place}",
                "malformed",
                "One of `binary`, `text` and `base64` is needed.",
            )
            for place, file in enumerate(parameters.attachments)
            if bool(file.binary) + (file.text is not None) + (file.base64 is not None) != 1
        ]


def _letter(given: NodeInput[EmailParameters], index: int, key: str, account: SmtpFields) -> Letter:
    """An item's letter, without its files."""
    parameters = given.parameters_for(index)
    return Letter(
        sender=parameters.sender or account.sender or account.username,
        to=_listed(parameters.to),
        subject=parameters.subject,
        key=f"{key}:{index}",
        sent_at=given.now,
        text=parameters.text,
        html=parameters.html,
        cc=_listed(parameters.cc),
        bcc=_listed(parameters.bcc),
        reply_to=_listed(parameters.reply_to),
    )


def _listed(addresses: Addresses) -> list[str]:
    return [addresses] if isinstance(addresses, str) else addresses


async def _files(files: Sequence[File], item: Item, blobs: Blobs) -> list[Attachment]:
    attachments: list[Attachment] = []
    left = _MOST_BYTES
    for file in files:
        attachment = await _stored(file, item, blobs, left) if file.binary else _written(file)
        left -= len(attachment.content)
        if left < 0:
            raise _too_large()
        attachments.append(attachment)
    return attachments


async def _stored(file: File, item: Item, blobs: Blobs, most: int) -> Attachment:
    """A file of the item."""
    reference: Any = item.get("binary", {}).get(file.binary)
    if reference is None:
        message = f"The item has no file {file.binary!r}."
        raise NodeError(Failed("bad_letter", message))
    blob = await blobs.find(str(reference["id"]))
    if blob.size > most:
        raise _too_large()
    content = b"".join([piece async for piece in blobs.stream(blob.id)])
    return Attachment(
        file.filename or blob.file_name, file.content_type or blob.media_type, content
    )


def _written(file: File) -> Attachment:
    """A file that stands in the parameters."""
    name, kind = file.filename or "file", file.content_type or UNKNOWN_TYPE
    if file.base64 is None:
        return Attachment(name, kind, (file.text or "").encode())
    try:
        return Attachment(name, kind, base64.b64decode(file.base64, validate=True))
    except binascii.Error as error:
        message = f"What is in {name!r} is no base64."
        raise NodeError(Failed("bad_letter", message)) from error


def _too_large() -> NodeError:
    return NodeError(
        Failed("bad_letter", f"The attachments have more than {_MOST_BYTES >> 20} MiB.")
    )


def _told(delivery: Delivery, index: int) -> Item:
    told: JsonObject = {
        "message_id": delivery.message_id,
        "accepted": list(delivery.accepted),
        "rejected": dict(delivery.rejected),
        "response": delivery.response,
    }
    return {"json": told, "paired_item": index}


def _sample(given: NodeInput[EmailParameters], index: int) -> Item:
    account = SmtpFields(host="mail.example.com", sender="sample@example.com")
    envelope = seal(_letter(given, index, "sample", account))
    delivery = Delivery(envelope.message_id, envelope.recipients, {}, "250 OK")
    return _told(delivery, index)

"""`trigger.email`: a new e-mail in a mailbox starts the run."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from engine_service.credentials.imap_account import ImapAccount
from engine_service.protocols.account import open_account
from engine_service.protocols.imap import ImapFields, Look, Mail, Mark, look, mark_seen
from engine_service.protocols.polling import PollParameters
from engine_service.sdk.trigger import Found, Outside, Polled, PollTrigger
from shared.workflow import Item, JsonObject


class EmailTriggerParameters(PollParameters):
    """Which folder, and what to do there."""

    folder: str = Field(
        default="INBOX", min_length=1, max_length=500, description="The folder to watch"
    )
    unseen: bool = Field(
        default=False, description="Whether messages that somebody has read already are left out"
    )
    mark_seen: bool = Field(
        default=False, description="Whether messages are marked as read once their runs are stored"
    )


class EmailTrigger(PollTrigger[EmailTriggerParameters]):
    """Starts a run for every new e-mail in a folder of a mailbox, over IMAP.

    The item holds the message: `{uid, message_id, from, to, cc, reply_to, subject, date, text,
    html, headers, flags, attachments, truncated}`; `attachments` names files with type and size.
    Of messages over 10 MiB only the headers are read, and `truncated` says so.

    Messages are told apart by the numbers that the server gives them, so reading or marking them
    elsewhere changes nothing. A folder that was made anew begins anew: what is in it then counts as
    known.
    """

    Parameters = EmailTriggerParameters
    type = "trigger.email"
    title = "New e-mail"
    credential_types = (ImapAccount.type,)
    needs_credential = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"folder": "INBOX", "mark_seen": True},
        {"folder": "Orders", "every": 1, "unseen": True, "begin": "existing"},
    )
    keywords = (
        "email", "imap", "new email", "incoming mail", "inbox", "mailbox", "when an email arrives",
        "receive email", "收到邮件", "新邮件", "收件箱", "邮箱",
    )  # fmt: skip

    def interval(self, parameters: EmailTriggerParameters) -> timedelta:
        return parameters.interval

    def source(self, parameters: EmailTriggerParameters) -> str:
        return parameters.folder

    def together(self, parameters: EmailTriggerParameters) -> bool:
        return parameters.runs == "together"

    def example(self, parameters: EmailTriggerParameters, now: datetime, timezone: str) -> Item:
        del parameters, timezone
        told: JsonObject = {
            "uid": 1,
            "message_id": "<sample@example.com>",
            "from": "ada@example.com",
            "to": ["me@example.com"],
            "cc": [],
            "reply_to": [],
            "subject": "A sample message",
            "date": now.isoformat(),
            "text": "What it says.",
            "html": "",
            "headers": {},
            "flags": [],
            "attachments": [],
            "truncated": False,
        }
        return {"json": told}

    async def poll(
        self, parameters: EmailTriggerParameters, cursor: JsonObject | None, outside: Outside
    ) -> Polled:
        account = await open_account(outside.credentials, ImapAccount.type, ImapFields)
        since = None if cursor is None else Mark(cursor["validity"], cursor["uid"])
        wanted = Look(parameters.folder, since, parameters.unseen)
        mails, mark, more = await look(outside.network, account, wanted)
        if since is None and parameters.begin == "existing":
            # Known is only where it ends; what is there is looked for from its beginning.
            return Polled([], {"validity": mark.validity, "uid": 0}, more=mark.uid > 0)
        return Polled(
            [Found(_name(mark, mail), {"json": mail.content}) for mail in mails],
            {"validity": mark.validity, "uid": mark.uid},
            more,
        )

    async def settle(
        self, parameters: EmailTriggerParameters, found: Sequence[Found], outside: Outside
    ) -> None:
        if parameters.mark_seen:
            account = await open_account(outside.credentials, ImapAccount.type, ImapFields)
            uids = [one.item["json"]["uid"] for one in found]
            await mark_seen(outside.network, account, parameters.folder, uids)


def _name(mark: Mark, mail: Mail) -> str:
    """What a message is called for ever; its own id tells mailboxes apart."""
    return f"{mark.validity}:{mail.uid}:{mail.content['message_id']}"

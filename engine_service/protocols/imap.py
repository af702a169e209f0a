"""Reading a mailbox over IMAP: what came since the last look.

The library blocks, so a look happens in a thread, over a socket that was connected for it; when
the look is cancelled the socket is closed, which ends the thread. What goes wrong is told as a
`NodeError`: address_refused, connect_failed, login_failed, tls_failed, mailbox_failed.
"""

import asyncio
import imaplib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from imap_tools import AND, U
from imap_tools.errors import ImapToolsError, MailboxFolderStatusError, MailboxLoginError
from imap_tools.mailbox import BaseMailBox
from pydantic import Field

from engine_service.protocols.account import AccountFields
from engine_service.sdk.failure import Failed, NodeError
from engine_service.sdk.node import Network
from shared.workflow import JsonObject

SECONDS = 30.0
_LARGEST_MESSAGE = 10 * 1024 * 1024
T = TypeVar("T")


class ImapFields(AccountFields):
    """The server, and who signs in."""

    port: int = Field(default=993, ge=1, le=65_535, description="993 for tls, else often 143")


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a mailbox has been read: up to a message, as the folder numbers them at present."""

    validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that came."""

    uid: int
    content: JsonObject


@dataclass(frozen=True, slots=True)
class Look:
    """What to look for.

    Attributes:
        since: What was read already; None to learn only where the folder ends.
        unseen: Whether messages that somebody has read are left out.
        most: The most messages to take at once.
    """

    folder: str
    since: Mark | None
    unseen: bool = False
    most: int = 20


async def look(
    network: Network, account: ImapFields, wanted: Look
) -> tuple[Sequence[Mail], Mark, bool]:
    """What is new in a folder, oldest first, how far that reads, and whether there is more.

    Raises:
        NodeError: With one of the codes named above.
    """
    return await _in_thread(network, account, wanted.folder, lambda box: _look(box, wanted))


async def mark_seen(
    network: Network, account: ImapFields, folder: str, uids: Sequence[int]
) -> None:
    """Say at the server that messages have been read.

    Raises:
        NodeError: With one of the codes named above.
    """
    numbers = [str(uid) for uid in uids]

    def mark(box: Any) -> None:
        box.flag(numbers, "\\Seen", True)

    await _in_thread(network, account, folder, mark)


async def sign_in(network: Network, account: ImapFields) -> None:
    """Sign in and leave again.

    Raises:
        NodeError: With one of the codes named above.
    """
    await _in_thread(network, account, "INBOX", lambda box: box.folder.get())


def _look(box: BaseMailBox, wanted: Look) -> tuple[Sequence[Mail], Mark, bool]:
    status = box.folder.status(wanted.folder, ["UIDVALIDITY", "UIDNEXT"])
    end = Mark(status["UIDVALIDITY"], status["UIDNEXT"] - 1)
    since = wanted.since
    # A folder that was made anew numbers its messages anew: what is in it now counts as known.
    if since is None or since.validity != end.validity:
        return [], end, False
    if end.uid <= since.uid:
        return [], since, False
    newer = AND(uid=U(str(since.uid + 1), "*"))
    criteria = AND(newer, seen=False) if wanted.unseen else newer
    # `n:*` names the last message even when that is older than n.
    found = sorted({int(uid) for uid in box.uids(criteria) if int(uid) > since.uid})
    taken = found[: wanted.most]
    mails = [mail for uid in taken for mail in _fetch(box, uid)]
    more = len(taken) < len(found)
    return mails, Mark(end.validity, taken[-1] if more else max(end.uid, *taken, 0)), more


def _fetch(box: BaseMailBox, uid: int) -> list[Mail]:
    """One message; none when it is gone again, its headers alone when it is very large."""
    number = str(uid)
    sizes = [m.size_rfc822 for m in box.fetch(AND(uid=number), mark_seen=False, headers_only=True)]
    large = any(size > _LARGEST_MESSAGE for size in sizes)
    found = box.fetch(AND(uid=number), mark_seen=False, headers_only=large)
    return [Mail(uid, _told(message, large=large)) for message in found]


def _told(message: Any, *, large: bool) -> JsonObject:
    """A message as JSON."""
    headers = {name: list(values) for name, values in message.headers.items()}
    return {
        "uid": int(message.uid or 0),
        "message_id": next(iter(message.headers.get("message-id", ())), ""),
        "from": message.from_,
        "to": list(message.to),
        "cc": list(message.cc),
        "reply_to": list(message.reply_to),
        "subject": message.subject,
        "date": message.date.isoformat(),
        "text": message.text,
        "html": message.html,
        "headers": headers,
        "flags": list(message.flags),
        "attachments": [
            {"filename": each.filename, "content_type": each.content_type, "size": each.size}
            for each in message.attachments
        ],
        "truncated": large,
    }


# --- a mailbox over a socket that is connected already


class _Box(BaseMailBox):
    """A mailbox that does not connect by itself."""

    def __init__(self, client: Callable[[], imaplib.IMAP4]) -> None:
        self._make = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._make()


class _Client(imaplib.IMAP4):
    def __init__(self, connection: socket.socket, account: ImapFields) -> None:
        self._connected = connection
        super().__init__(account.host, account.port, SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        self._connected.settimeout(timeout)
        return self._connected


async def _in_thread(
    network: Network, account: ImapFields, folder: str, job: Callable[[BaseMailBox], T]
) -> T:
    connection = await network.connect(account.host, account.port)
    context = network.tls(verify=account.verify_tls)

    def work() -> T:
        # Dialled by name, TLS is for the name: the address is only where the socket leads.
        over = connection
        if account.security == "tls":
            over.settimeout(SECONDS)
            over = context.wrap_socket(over, server_hostname=account.host)
        try:
            with _Box(lambda: _Client(over, account)) as box:
                if account.security == "starttls":
                    box.client.starttls(context)
                box.login(account.username, account.password, folder)
                return job(box)
        finally:
            over.close()

    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except (ImapToolsError, imaplib.IMAP4.error, OSError, ValueError) as error:
        raise NodeError(_failure(error, account)) from error
    finally:
        if not working.done():
            _end(connection)
            working.add_done_callback(_forget)
        connection.close()


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # nobody is there any more
        return


def _forget(working: asyncio.Task[Any]) -> None:
    if not working.cancelled():
        working.exception()


def _failure(error: Exception, account: ImapFields) -> Failed:
    said = " ".join(str(error).split())
    if isinstance(error, ssl.SSLError) or "TLS not supported" in said:
        return Failed("tls_failed", f"No secure connection to {account.place}: {said}")
    if isinstance(error, MailboxLoginError) or "AUTHENTICATIONFAILED" in said:
        return Failed("login_failed", f"{account.place} does not take the account: {said}")
    if isinstance(error, OSError | imaplib.IMAP4.abort):
        return Failed("connect_failed", f"Lost {account.place}: {said}", retryable=True)
    if isinstance(error, MailboxFolderStatusError):
        return Failed("mailbox_failed", f"There is no such folder: {said}")
    return Failed("mailbox_failed", f"{account.place} refused: {said}", retryable=True)

"""E-mail as it is written: addresses, texts and files become one message of bytes.

Nothing is sent here, and nothing is read from outside: the same letter always makes the same bytes,
so that a repeat is recognisable by its Message-ID.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses

from engine_service.sdk.node import Failed, NodeError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOCAL_DOMAIN = "flowloom.invalid"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail.

    Attributes:
        to: Addresses, plain or `Name <address>`; each text may hold several, with commas.
        text: The plain text; made of nothing else, so a letter with `html` alone has none.
        key: What makes a repeat of this letter this letter: its Message-ID comes of it.
    """

    sender: str
    to: Sequence[str]
    subject: str
    key: str
    sent_at: datetime
    text: str = ""
    html: str = ""
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A letter, ready to be sent.

    Attributes:
        recipients: Everybody who gets it, those included whom it does not name.
        needs_utf8: An address is not of ASCII, so the servers on the way must know SMTPUTF8.
    """

    sender: str
    recipients: Sequence[str]
    message_id: str
    content: bytes = field(repr=False)
    needs_utf8: bool = False


def seal(letter: Letter) -> Envelope:
    """The letter as bytes. Large attachments take a while, so call it in a thread.

    Raises:
        NodeError: An address is none, there is nobody to send it to, or a text would end a header.
    """
    senders = read_addresses([letter.sender])
    if len(senders) != 1:
        raise _malformed("There must be one sender.")
    sender = senders[0]
    to, cc, bcc = (read_addresses(each) for each in (letter.to, letter.cc, letter.bcc))
    everybody = list(dict.fromkeys(address.addr_spec for address in [*to, *cc, *bcc]))
    if not everybody:
        raise _malformed("There is nobody to send it to.")
    message_id = f"<{_digest(letter.key)}@{sender.domain or _LOCAL_DOMAIN}>"
    needs_utf8 = not all(spec.isascii() for spec in [sender.addr_spec, *everybody])
    message = EmailMessage(policy=SMTP.clone(utf8=needs_utf8))
    try:
        _address(message, sender, to, cc, read_addresses(letter.reply_to))
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(letter.sent_at)
        message["Message-ID"] = message_id
        _fill(message, letter)
        content = message.as_bytes()
    except ValueError as error:  # a line end in a header
        raise _malformed(str(error)) from error
    return Envelope(sender.addr_spec, everybody, message_id, content, needs_utf8)


def read_addresses(texts: Iterable[str]) -> list[Address]:
    """The addresses that some texts hold.

    Raises:
        NodeError: One of them is none.
    """
    found: list[Address] = []
    for text in texts:
        if not text.strip():
            continue
        if _CONTROL.search(text):
            raise _malformed("An address holds control characters.")
        for name, spec in getaddresses([text]):
            found.append(_read(name, spec, text))
    return found


def _read(name: str, spec: str, text: str) -> Address:
    try:
        address = Address(display_name=name, addr_spec=spec)
    except (ValueError, IndexError) as error:  # IndexError: the parser runs off an odd text's end
        raise _malformed(f"{text!r} is no e-mail address.") from error
    if not address.username or not address.domain:
        raise _malformed(f"{text!r} is no e-mail address.")
    return address


def _address(
    message: EmailMessage,
    sender: Address,
    to: Sequence[Address],
    cc: Sequence[Address],
    reply_to: Sequence[Address],
) -> None:
    message["From"] = sender
    named = (("To", to), ("Cc", cc), ("Reply-To", reply_to))
    for name, addresses in named:
        if addresses:
            message[name] = addresses


def _fill(message: EmailMessage, letter: Letter) -> None:
    if letter.html and not letter.text:
        message.set_content(letter.html, subtype="html")
    else:
        message.set_content(letter.text)
        if letter.html:
            message.add_alternative(letter.html, subtype="html")
    for attachment in letter.attachments:
        kind, _, subtype = attachment.content_type.partition("/")
        message.add_attachment(
            attachment.content,
            maintype=kind or "application",
            subtype=subtype or "octet-stream",
            filename=attachment.name,
        )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _malformed(message: str) -> NodeError:
    return NodeError(Failed("bad_letter", message))

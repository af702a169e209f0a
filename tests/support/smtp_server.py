"""A mail server on loopback for tests: takes letters, or says what a test wants it to say."""

import asyncio
import email
import ssl
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Received:
    """A letter that arrived."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=default)


@dataclass
class MailServer:
    """The server.

    Attributes:
        refusals: What to say to a recipient instead of taking it.
        on_data: What to say to a whole letter; `drop` closes the connection after it has come.
        logins: Who signed in, and how often.
    """

    port: int = 0
    users: dict[str, str] = field(default_factory=dict[str, str])
    received: list[Received] = field(default_factory=list[Received])
    refusals: dict[str, str] = field(default_factory=dict[str, str])
    on_data: str = "250 OK"
    logins: list[str] = field(default_factory=list[str])

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        refusal = self.refusals.get(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        del session
        if self.on_data == "drop":
            transport: Any = server.transport
            transport.abort()
            return "250 nobody hears this"
        if self.on_data.startswith("250"):
            content = cast("bytes", envelope.content)
            sender = envelope.mail_from or ""
            self.received.append(Received(sender, list(envelope.rcpt_tos), content))
        return self.on_data

    def authenticate(self, _: Any, __: Any, ___: Any, ____: str, data: Any) -> AuthResult:
        shown = cast("LoginPassword", data)
        name, password = shown.login.decode(), shown.password.decode()
        self.logins.append(name)
        return AuthResult(success=self.users.get(name) == password, handled=False)


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, security: str = "none", **users: str
) -> AsyncGenerator[MailServer]:
    """A server; where there are users, only they may send."""
    mail = MailServer(users=users)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it would rather have TLS before passwords
            return made()

    def made() -> SMTP:
        return SMTP(
            mail,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=tls if security == "starttls" else None,
            require_starttls=security == "starttls",
            auth_required=bool(users),
            auth_require_tls=security == "starttls",
            authenticator=mail.authenticate if users else None,
        )

    loop = asyncio.get_running_loop()
    served = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=tls if security == "tls" else None
    )
    mail.port = served.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        served.close()

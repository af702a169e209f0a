"""Sending e-mail: letters go in, and what the server said of each recipient comes out.

A `Mailer` keeps one connection for many letters. What goes wrong is told as a `NodeError`:
address_refused, connect_failed, tls_failed, login_failed, mail_refused (for good), mail_deferred
(it may be taken later), connection_lost (and then nobody knows whether the letter went out).
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import errors

from engine_service.protocols.account import AccountFields
from engine_service.protocols.letters import Letter, seal
from engine_service.sdk.node import Failed, Network, NodeError

SECONDS = 60.0
_HOSTNAME = "localhost"
"""What we call ourselves: looking our own name up would ask a resolver and tell the world."""
_TEMPORARY = range(400, 500)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a letter that a server took.

    Attributes:
        accepted: Recipients it will deliver to.
        rejected: Those it will not, and why.
    """

    message_id: str
    accepted: Sequence[str]
    rejected: Mapping[str, str]
    response: str


class Mailer:
    """Sends letters over one account. Close it when done."""

    def __init__(self, network: Network, account: AccountFields) -> None:
        self._network = network
        self._account = account
        self._client: aiosmtplib.SMTP | None = None

    async def send(self, letter: Letter) -> Delivery:
        """Send a letter.

        Raises:
            NodeError: With one of the codes named above; no recipient gets it, unless its outcome
                is not known.
        """
        envelope = await asyncio.to_thread(seal, letter)
        client = await self.connect()
        options = ["SMTPUTF8"] if envelope.needs_utf8 else []
        try:
            refused, said = await client.sendmail(
                envelope.sender, envelope.recipients, envelope.content, mail_options=options
            )
        except BaseException as error:
            self.close()
            if isinstance(error, errors.SMTPException | OSError):
                raise NodeError(_failure(error)) from error
            raise
        rejected = {address: _line(response.message) for address, response in refused.items()}
        accepted = [address for address in envelope.recipients if address not in rejected]
        return Delivery(envelope.message_id, accepted, rejected, _line(said))

    async def connect(self) -> aiosmtplib.SMTP:
        """A connection on which somebody has signed in, if the account says who.

        Raises:
            NodeError: There is none to be had.
        """
        if self._client is not None and self._client.is_connected:
            return self._client
        account = self._account
        client = aiosmtplib.SMTP(
            hostname=account.host,
            local_hostname=_HOSTNAME,
            sock=await self._network.connect(account.host, account.port),
            use_tls=account.security == "tls",
            start_tls=account.security == "starttls",
            tls_context=self._network.tls(verify=account.verify_tls),
            timeout=SECONDS,
        )
        self._client = client
        try:
            await client.connect()
            if account.username:
                await client.login(account.username, account.password)
        except BaseException as error:
            self.close()
            if isinstance(error, errors.SMTPException | OSError):
                raise NodeError(_no_connection(error, account)) from error
            raise
        return client

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _no_connection(error: Exception, account: AccountFields) -> Failed:
    """Why nobody could sign in: nothing has been sent yet."""
    where = f"{account.host}:{account.port}"
    match error:
        case errors.SMTPAuthenticationError():
            message = f"{where} does not take the account: {_line(error.message)}"
            return Failed("login_failed", message, retryable=error.code in _TEMPORARY)
        case errors.SMTPResponseException():
            message = f"{where} answered {error.code}: {_line(error.message)}"
            return Failed("connect_failed", message, retryable=error.code in _TEMPORARY)
        case _ if _is_about_tls(error):
            return Failed("tls_failed", f"No secure connection to {where}: {_line(str(error))}")
        case _:
            message = f"Could not speak with {where}: {_line(str(error))}"
            return Failed("connect_failed", message, retryable=True)


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "STARTTLS" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _failure(error: Exception) -> Failed:
    """Why a letter was not sent, or perhaps was."""
    match error:
        case errors.SMTPRecipientsRefused():
            said = [(each.code, each.recipient, each.message) for each in error.recipients]
            message = "; ".join(f"{recipient}: {_line(text)}" for _, recipient, text in said)
            return _refusal([code for code, _, _ in said], message)
        case errors.SMTPResponseException():
            return _refusal([error.code], f"{error.code}: {_line(error.message)}")
        case errors.SMTPNotSupported():
            return Failed("mail_refused", _line(str(error)))
        case _:
            message = f"The connection was lost while sending: {_line(str(error))}"
            return Failed("connection_lost", message, retryable=True, outcome_known=False)


def _refusal(codes: Sequence[int], message: str) -> Failed:
    if all(code in _TEMPORARY for code in codes):
        return Failed("mail_deferred", f"Not taken for now: {message}", retryable=True)
    return Failed("mail_refused", f"Not taken: {message}")


def _line(text: str) -> str:
    return " ".join(text.split())

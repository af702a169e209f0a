"""Sending one notice: by SMTP, or to Slack, on the accounts that the asking node refers to."""

import orjson

from engine_service.asking.messages import key_of, letter_of, slack_message_of
from engine_service.credentials.smtp_account import SmtpAccount, SmtpFields
from engine_service.protocols.account import open_account
from engine_service.protocols.smtp import Mailer
from engine_service.sdk.node import Credentials, Failed, HttpClient, HttpRequest, Network, NodeError
from engine_service.store.approvals import StoredApproval
from engine_service.store.notices import StoredNotice
from shared.clock import Clock

_SLACK = "slack.token"
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "service_unavailable", "fatal_error", "internal_error"}
)


class Delivery:
    """Sends notices.

    Args:
        http: Outgoing HTTP, guarded; `network` likewise for other protocols.
    """

    def __init__(self, http: HttpClient, network: Network, clock: Clock) -> None:
        self._http = http
        self._network = network
        self._clock = clock

    async def send(
        self, notice: StoredNotice, asked: StoredApproval, url: str, credentials: Credentials
    ) -> None:
        """Send a notice with its link.

        Raises:
            NodeError: It was not sent, or nobody knows whether it was.
        """
        if notice.channel == "email":
            await self._mail(notice, asked, url, credentials)
        else:
            await self._post(notice, asked, url, credentials)

    async def _mail(
        self, notice: StoredNotice, asked: StoredApproval, url: str, credentials: Credentials
    ) -> None:
        account = await open_account(credentials, SmtpAccount.type, SmtpFields)
        letter = letter_of(
            notice, asked, url, account.sender or account.username, self._clock.now()
        )
        mailer = Mailer(self._network, account)
        try:
            await mailer.send(letter)
        finally:
            mailer.close()

    async def _post(
        self, notice: StoredNotice, asked: StoredApproval, url: str, credentials: Credentials
    ) -> None:
        credential = await credentials.find(_SLACK)
        if credential is None:
            message = f"A credential of the type {_SLACK} is needed, and the node names none."
            raise NodeError(Failed("credential_missing", message))
        answer = await self._http.send(
            HttpRequest(
                "POST",
                f"{credential.open_fields()['base_url']}/chat.postMessage",
                {
                    "content-type": "application/json; charset=utf-8",
                    "idempotency-key": key_of(notice),
                },
                orjson.dumps(slack_message_of(notice, asked, url)),
                credential=credential,
            )
        )
        _check(answer.status, answer.body)


def _check(status: int, body: bytes) -> None:
    """Slack says no with status 200."""
    try:
        said = orjson.loads(body)
    except ValueError:
        said = None
    match said:
        case {"ok": True}:
            return
        case {"error": str(error)}:
            retryable = error in _PASSING
            raise NodeError(Failed("slack_refused", f"Slack answered {error}.", retryable))
        case _:
            message = f"The server answered {status}, but not as Slack does."
            raise NodeError(Failed("slack_refused", message, status >= 500 or status == 429))

"""Signed links: whoever holds one may answer one question for one person, until it is decided.

A link names its approval, its tenant and the person; nothing is stored of it, and it is void once
that person has answered or handed their part over. The page that it opens gets a ticket, without
which nothing is decided: programs that follow every link in a mail get no further than reading.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from engine_service.store.approvals import StoredApproval
from shared.clock import Clock
from shared.errors import Conflict, NotFound

PATH = "/v1/answers/"
_LINK, _TICKET = "flowloom:approval-link", "flowloom:approval-ticket"
_LONGEST = timedelta(days=30)
_PAGE = timedelta(hours=12)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_SIGNS = 2_000


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a link says of whoever holds it."""

    tenant_id: str
    approval_id: str
    approver: str


class Links:
    """Makes links and reads them.

    Args:
        secret: The mesh's secret; links are signed with a key made of it.
        public_url: Where people find the gateway.
    """

    def __init__(self, secret: str, public_url: str, clock: Clock) -> None:
        # Keys of their own: a link must never pass for an identity, which the secret signs too.
        self._link_key = hmac.digest(secret.encode(), _LINK.encode(), hashlib.sha256)
        self._ticket_key = hmac.digest(secret.encode(), _TICKET.encode(), hashlib.sha256)
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    def url(self, asked: StoredApproval, approver: str) -> str:
        """Where a person answers a question."""
        until = asked.created_at + _LONGEST
        claims = {
            "aud": _LINK,
            "tenant": asked.tenant_id,
            "approval": asked.id,
            "approver": approver,
            "until": min(until, asked.expires_at or until).timestamp(),
        }
        token = jwt.encode(claims, self._link_key, algorithm="HS256")
        return f"{self._public_url}{PATH}{token}"

    def read(self, token: str) -> Bearer:
        """Whom a link is for.

        Raises:
            NotFound: It is none of ours.
            Conflict: Its time is over.
        """
        claims = _claims(token, self._link_key, _LINK)
        if claims is None:
            raise NotFound("This link is not valid.", reason="LINK_NOT_FOUND")
        if self._is_over(claims["until"]):
            raise Conflict("The time to answer by this link is over.", reason="LINK_EXPIRED")
        return Bearer(claims["tenant"], claims["approval"], claims["approver"])

    def ticket(self, token: str) -> str:
        """What the page of a link sends along with the answer."""
        claims = {"aud": _TICKET, "link": _digest(token), "until": self._in(_PAGE).timestamp()}
        return jwt.encode(claims, self._ticket_key, algorithm="HS256")

    def check_ticket(self, ticket: str, token: str) -> None:
        """Let only those answer who have seen the page.

        Raises:
            Conflict: The ticket is forged, another link's, or too old.
        """
        claims = _claims(ticket, self._ticket_key, _TICKET)
        fits = claims is not None and hmac.compare_digest(claims["link"], _digest(token))
        if claims is None or not fits or self._is_over(claims["until"]):
            raise Conflict("The page is too old. Open the link once more.", reason="PAGE_EXPIRED")

    def _in(self, span: timedelta) -> datetime:
        return self._clock.now() + span

    def _is_over(self, until: float) -> bool:
        return until <= self._clock.now().timestamp()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _claims(token: str, key: bytes, audience: str) -> dict[str, Any] | None:
    if len(token) > _MOST_SIGNS or not _TOKEN.fullmatch(token):
        return None
    try:
        return jwt.decode(
            token, key, algorithms=["HS256"], audience=audience, options={"require": ["aud"]}
        )
    except jwt.InvalidTokenError:
        return None

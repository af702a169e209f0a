"""Google as a vendor: what `google.calendar` and `google.sheets` share."""

from typing import Any, cast

from engine_service.connectors.pages import Pages
from engine_service.connectors.vendor import Vendor, by_status, refusal, said_in
from engine_service.sdk.node import Failed, HttpResponse
from shared.workflow import JsonObject

CREDENTIAL_TYPES = ("google.account", "oauth2.authorization", "http.bearer")
_LIMITS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"}
)


def google(name: str, base_url: str) -> Vendor:
    """One of Google's APIs."""
    return Vendor(name, base_url, CREDENTIAL_TYPES, _judge)


def pages(size_field: str, largest: int) -> Pages:
    """How Google's lists page."""
    return Pages("cursor", "nextPageToken", "pageToken", size_field=size_field, largest=largest)


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """Google tells some of its limits with status 403."""
    said = said_in(answer, "error.message", "error_description")
    if response.status == 403 and _reasons(answer) & _LIMITS:
        return refusal(vendor, "rate_limited", said, True, response)
    return by_status(vendor, response, said)


def _reasons(answer: Any) -> set[str]:
    said = cast("JsonObject", answer).get("error") if isinstance(answer, dict) else None
    if not isinstance(said, dict):
        return set()
    error = cast("JsonObject", said)
    rows: list[JsonObject] = [*(error.get("errors") or ()), *(error.get("details") or ())]
    return {str(row.get("reason")) for row in rows}

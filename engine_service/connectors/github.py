"""GitHub as a vendor: what `github.issue` and `github.api` share."""

from typing import Any, cast

from engine_service.connectors.pages import Pages
from engine_service.connectors.vendor import Vendor, by_status, refusal, said_in
from engine_service.sdk.node import Failed, HttpResponse
from engine_service.web.answers import seconds_until
from shared.workflow import JsonObject

PAGES = Pages("link", size_field="per_page", largest=100)


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """GitHub's limits are told by 403 or 429, with headers that say when there is room again."""
    said = said_in(answer, "message")
    if isinstance(answer, dict):
        rows: Any = cast("JsonObject", answer).get("errors")
        listed = cast("list[Any]", rows) if isinstance(rows, list) else []
        details = [said_in(row, "message", "code") for row in listed]
        said = ": ".join(filter(None, [said, ", ".join(filter(None, details))]))
    headers = response.headers
    spent = headers.get("x-ratelimit-remaining") == "0"
    limited = spent or "retry-after" in headers or "rate limit" in said.lower()
    if response.status in (403, 429) and limited:
        failed = refusal(vendor, "rate_limited", said, True, response)
        if failed.retry_after is not None or not spent:
            return failed
        wait = seconds_until(headers.get("x-ratelimit-reset", ""))
        return Failed(failed.code, failed.message, True, wait)
    return by_status(vendor, response, said)


GITHUB = Vendor(
    "GitHub",
    "https://api.github.com",
    ("github.token", "oauth2.authorization", "http.bearer"),
    _judge,
    headers={"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"},
)

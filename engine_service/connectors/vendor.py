"""What a vendor is: where its API is, what proves who asks, and how it says no.

Whatever a vendor calls its refusals, they are told by the same few codes here, so that a retry or
an error branch need not know the vendor: not_authenticated, forbidden, not_found, conflict,
refused, rate_limited, vendor_unavailable, bad_response.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from engine_service.sdk.node import Credential, Failed, HttpResponse
from engine_service.web.answers import retry_after
from shared.workflow import JsonObject

_SHOWN_CHARACTERS = 500
_BY_STATUS = {
    401: "not_authenticated",
    402: "forbidden",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    410: "not_found",
    412: "conflict",
    429: "rate_limited",
}
# The vendor says that it did not begin to work on these.
_NOT_BEGUN = frozenset({425, 429, 503})

Judge = Callable[["Vendor", HttpResponse, Any], Failed | None]
"""Whether an answer is a refusal, and which; None when it is what was asked for."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's API.

    Attributes:
        base_url: Where the API is, unless a credential says that it is elsewhere.
        credential_types: What can prove who asks, the usual one first.
        headers: Sent with every request.
        body_kind: How bodies are sent.
        judge: Tells refusals from answers.
    """

    name: str
    base_url: str
    credential_types: tuple[str, ...]
    judge: Judge
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body_kind: Literal["json", "form"] = "json"

    def address(self, credential: Credential | None, path: str) -> str:
        """The address of a path."""
        own = credential.open_fields().get("base_url") if credential else None
        return f"{own or self.base_url}{path}"


def by_status(vendor: Vendor, response: HttpResponse, said: str) -> Failed | None:
    """What the status of an answer says; `said` are the vendor's words about it."""
    status = response.status
    if status < 400:
        return None
    temporary = status in (408, 425, 429) or status >= 500
    code = _BY_STATUS.get(status) or ("vendor_unavailable" if status >= 500 else "refused")
    return refusal(vendor, code, said or f"status {status}", temporary, response)


def refusal(
    vendor: Vendor, code: str, said: str, temporary: bool, response: HttpResponse
) -> Failed:
    """A vendor's no."""
    status = response.status
    return Failed(
        code,
        f"{vendor.name} answered {status}: {said[:_SHOWN_CHARACTERS]}",
        retryable=temporary,
        retry_after=retry_after(response),
        outcome_known=status < 500 or status in _NOT_BEGUN,
    )


def said_in(answer: Any, *paths: str) -> str:
    """The vendor's words, from the first of these places that has any."""
    for path in paths:
        value: Any = answer
        for step in path.split("."):
            value = cast("JsonObject", value).get(step) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return answer.strip() if isinstance(answer, str) else ""

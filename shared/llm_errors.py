"""How a call to a model can fail, and which failure a vendor's status and code mean.

Providers report a `Refusal` in the vendor's words; `error_for` turns it into one of the classes
below. A chain goes on to its next model on Unavailable and LimitReached only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.errors import AppError, Forbidden, InvalidInput, LimitReached, NotFound, Unavailable


class RequestRefused(InvalidInput):
    """The vendor finds the request itself wrong."""

    reason = "MODEL_REQUEST_REFUSED"


class ContextTooLong(InvalidInput):
    """The conversation does not fit into the model's context."""

    reason = "MODEL_CONTEXT_TOO_LONG"


class ModelDeclined(InvalidInput):
    """The model would not give the structured answer that was asked for."""

    reason = "MODEL_DECLINED"


class ModelNotFound(NotFound):
    """The vendor serves no such model to this account."""

    reason = "MODEL_NOT_FOUND"


class KeyRefused(Forbidden):
    """The vendor does not accept the key. Not Unauthenticated: the caller's login is fine."""

    reason = "MODEL_KEY_REFUSED"


class RequestsNotAllowed(Forbidden):
    """Model requests are switched off and the address is not on this machine."""

    reason = "MODEL_REQUESTS_NOT_ALLOWED"


class RateLimited(LimitReached):
    """The vendor wants fewer requests; `retry_after` says when to come back, if it said so."""

    reason = "MODEL_RATE_LIMITED"


class QuotaExhausted(LimitReached):
    """The vendor account has no credit left; waiting does not help."""

    reason = "MODEL_QUOTA_EXHAUSTED"
    retryable = False


class BudgetExhausted(LimitReached):
    """The session's own budget could be passed; waiting does not help."""

    reason = "MODEL_BUDGET_EXHAUSTED"
    retryable = False


class ModelUnavailable(Unavailable):
    """The vendor cannot be reached or failed."""

    reason = "MODEL_UNAVAILABLE"


class Overloaded(ModelUnavailable):
    """The vendor says that it has too much to do."""

    reason = "MODEL_OVERLOADED"


class TimedOut(ModelUnavailable):
    """No answer in the time that was given."""

    reason = "MODEL_TIMED_OUT"


class StreamBroken(ModelUnavailable):
    """The stream ended before the answer did, or made no sense."""

    reason = "MODEL_STREAM_BROKEN"


class OutputInvalid(Unavailable):
    """The model answered something that does not satisfy the schema; another try may."""

    reason = "MODEL_OUTPUT_INVALID"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A vendor's error in its own words.

    Attributes:
        status: HTTP status; 200 when the error came inside a stream, where `code` must tell.
        code: The vendor's code or type, whichever is narrower.
        secret: The key in use, so that no error ever repeats it.
    """

    model: str
    status: int
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] | None = None
    secret: str = ""


_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "api_error": 500,
    "server_error": 500,
    "overloaded_error": 529,
}
_QUOTA_CODES = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
_CONTEXT_CODES = {"context_length_exceeded", "request_too_large", "string_above_max_length"}
# Anthropic has no code for it, only this sentence.
_CONTEXT_SENTENCE = "prompt is too long"

_CLASS_OF_STATUS: dict[int, type[AppError]] = {
    400: RequestRefused,
    401: KeyRefused,
    402: QuotaExhausted,
    403: KeyRefused,
    404: ModelNotFound,
    408: TimedOut,
    409: ModelUnavailable,
    413: ContextTooLong,
    422: RequestRefused,
    429: RateLimited,
    503: Overloaded,
    504: TimedOut,
    529: Overloaded,
}


def error_for(refusal: Refusal) -> AppError:
    """The error that a vendor's refusal means."""
    kind = _class_for(refusal)
    metadata = {"model": refusal.model}
    if refusal.status != 200:
        metadata["status"] = str(refusal.status)
    if refusal.code:
        metadata["vendor_code"] = refusal.code[:100]
    wait = retry_after_seconds(refusal.headers or {})
    if wait is not None:
        metadata["retry_after"] = f"{wait:g}"
    return kind(_sentence(kind, refusal), metadata=metadata)


def _class_for(refusal: Refusal) -> type[AppError]:
    if refusal.code in _QUOTA_CODES:
        return QuotaExhausted
    if refusal.code in _CONTEXT_CODES or _CONTEXT_SENTENCE in refusal.message.lower():
        return ContextTooLong
    status = refusal.status
    if status < 400:
        status = _STATUS_OF_CODE.get(refusal.code, 500)
    return _CLASS_OF_STATUS.get(status, RequestRefused if status < 500 else ModelUnavailable)


def _sentence(kind: type[AppError], refusal: Refusal) -> str:
    if kind is KeyRefused:
        # Vendors quote parts of the key here.
        return f"{refusal.model}: the vendor does not accept the API key"
    said = refusal.message.strip()
    if refusal.secret:
        said = said.replace(refusal.secret, "[key]")
    return f"{refusal.model}: {said[:500] or (kind.__doc__ or '').strip()}"


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long a Retry-After header (seconds or a date) asks to wait; None when it does not."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None

"""How a call to a model can fail, whoever serves it: narrower kinds of `shared.errors`.

A chain goes on to its next model on Unavailable and LimitReached (the session's own budget
excepted); everything else would fail there too, or should be seen by somebody.
"""

from shared.errors import Forbidden, InvalidInput, LimitReached, NotFound, Unavailable


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

"""The eight kinds of failure, each declared once: reason, gRPC status, HTTP status, retryable.

A use case raises one of these (or a narrower subclass) and nothing else. `shared/rpc` carries it
over gRPC as google.rpc.Status with ErrorInfo and BadRequest, revives the same class on the other
side, and the gateway prints it as application/problem+json. Nobody else translates errors.

    AppError
    ├── InvalidInput     INVALID_ARGUMENT     400   the caller must change the request
    ├── Unauthenticated  UNAUTHENTICATED      401   no valid identity
    ├── Forbidden        PERMISSION_DENIED    403   a valid identity that may not do this
    ├── NotFound         NOT_FOUND            404   absent, or another tenant's
    ├── Conflict         ABORTED              409   true, but not in the present state
    ├── LimitReached     RESOURCE_EXHAUSTED   429   too much; later, or less
    ├── Unavailable      UNAVAILABLE          503   a dependency is away; a retry helps
    └── Internal         INTERNAL             500   our mistake
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import grpc


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with the input: where (JSON Pointer), what (code), and how to mend it."""

    pointer: str
    code: str
    message: str
    suggestion: str = ""


class AppError(Exception):
    """A failure a caller can act on.

    Attributes:
        reason: UPPER_SNAKE name, stable, one of the class's or narrower.
        metadata: Facts for machines; values are short strings and never secrets.
        violations: What exactly is wrong with the input, if that is what is wrong.
    """

    reason: ClassVar[str] = "INTERNAL"
    grpc_status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = reason or self.reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a retry may help, when the failing side knows."""
        seconds = self.metadata.get("retry_after")
        return float(seconds) if seconds is not None else None


class InvalidInput(AppError):
    """The request itself is wrong; repeating it cannot help."""

    reason = "INVALID_INPUT"
    grpc_status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 400


class Unauthenticated(AppError):
    """The caller showed no identity, or one that is not valid (any more)."""

    reason = "UNAUTHENTICATED"
    grpc_status = grpc.StatusCode.UNAUTHENTICATED
    http_status = 401


class Forbidden(AppError):
    """The caller is known and may not do this."""

    reason = "FORBIDDEN"
    grpc_status = grpc.StatusCode.PERMISSION_DENIED
    http_status = 403


class NotFound(AppError):
    """There is no such thing, or it belongs to another tenant."""

    reason = "NOT_FOUND"
    grpc_status = grpc.StatusCode.NOT_FOUND
    http_status = 404


class Conflict(AppError):
    """The request is fine but does not fit the present state."""

    reason = "CONFLICT"
    grpc_status = grpc.StatusCode.ABORTED
    http_status = 409


class LimitReached(AppError):
    """A rate, size, quota or budget is used up."""

    reason = "LIMIT_REACHED"
    grpc_status = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 429
    retryable = True


class Unavailable(AppError):
    """Something this needs is away for the moment."""

    reason = "UNAVAILABLE"
    grpc_status = grpc.StatusCode.UNAVAILABLE
    http_status = 503
    retryable = True


class Internal(AppError):
    """Our mistake; the message says nothing of the inside."""


KINDS: tuple[type[AppError], ...] = (
    InvalidInput,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    LimitReached,
    Unavailable,
    Internal,
)

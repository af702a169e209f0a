"""What came with the call at hand: the caller, the request id, the trace and the deadline.

The server interceptor sets it, the client interceptor passes it on; it lives in a context variable
so that no use case hands it down.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from shared.errors import Forbidden, Unauthenticated
from shared.identity import Principal, Role

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"
TRACESTATE_KEY = "tracestate"


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through the mesh.

    Attributes:
        traceparent: Its place in a trace: what it causes has this as its parent.
        tracestate: What other systems wrote along.
        deadline: `time.monotonic()` seconds by which the answer is due; None is never.
    """

    principal: Principal | None = None
    request_id: str = ""
    traceparent: str = ""
    deadline: float | None = None
    tracestate: str = ""


_current: ContextVar[Call] = ContextVar("flowloom_call", default=Call())  # noqa: B039 (frozen)


def current() -> Call:
    """The call at hand; an empty one outside of any."""
    return _current.get()


@contextmanager
def use(call: Call) -> Generator[None]:
    """Make `call` the one at hand for the duration of a block."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def caller(role: Role = Role.VIEWER) -> Principal:
    """Who is asking, if they may do what `role` may.

    Raises:
        Unauthenticated: Nobody is named.
        Forbidden: The caller's role is too small.
    """
    principal = _current.get().principal
    if principal is None:
        raise Unauthenticated("This call needs a caller's identity.", reason="IDENTITY_MISSING")
    if not principal.role.includes(role):
        raise Forbidden(f"This needs the role {role}.", reason="ROLE_TOO_SMALL")
    return principal


def remaining_seconds() -> float | None:
    """How much time is left for the call at hand; None when it has no deadline."""
    deadline = _current.get().deadline
    return None if deadline is None else max(0.0, deadline - time.monotonic())

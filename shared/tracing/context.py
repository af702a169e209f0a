"""W3C Trace Context as strings: which trace a request belongs to, and where in it.

Headers come in as they arrived, once for each time; what goes out is the one spelling that the
whole mesh passes on: version 00, lower case, a tracestate joined and checked. What breaks the
recommendation's rules counts as not sent: a bad traceparent begins a new trace, a bad tracestate is
dropped as a whole.
"""

import re
from collections.abc import Sequence

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-"
    r"(?P<parent>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<future>-.*)?"
)
_KNOWN_FLAGS = 0x03  # sampled, and that the trace id is random
_MOST_MEMBERS = 32
_KEY = r"(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"({_KEY})={_VALUE}")


def read(traceparents: Sequence[str], tracestates: Sequence[str]) -> tuple[str, str]:
    """The traceparent and the tracestate of a request; both empty where there is no trace to go on.

    Args:
        traceparents: The values of that header, one for each time it was sent.
        tracestates: Likewise; they count in their order.
    """
    traceparent = _read_traceparent(traceparents)
    return (traceparent, _read_tracestate(tracestates)) if traceparent else ("", "")


def compose(trace_id: str, span_id: str, flags: int) -> str:
    """A traceparent."""
    return f"00-{trace_id}-{span_id}-{flags & _KNOWN_FLAGS:02x}"


def parts(traceparent: str) -> tuple[str, str, int]:
    """The trace, the span in it, and the flags of a traceparent that `read` or `compose` gave."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return trace_id, span_id, int(flags, 16)


def trace_id_of(traceparent: str) -> str:
    """The trace of a traceparent; empty when it is none."""
    return traceparent[3:35]


def members(tracestate: str) -> list[tuple[str, str]]:
    """The members of a tracestate that `read` gave."""
    found = [member.partition("=") for member in tracestate.split(",") if member]
    return [(key, value) for key, _, value in found]


def _read_traceparent(values: Sequence[str]) -> str:
    if len(values) != 1 or not (found := _TRACEPARENT.fullmatch(values[0].strip(" \t"))):
        return ""
    if found["version"] == "00" and found["future"]:
        return ""
    flags = int(found["flags"], 16)
    # Of versions to come, only what this one says about sampling is known.
    return compose(
        found["trace"], found["parent"], flags if found["version"] == "00" else flags & 1
    )


def _read_tracestate(values: Sequence[str]) -> str:
    # Trailing blanks belong to the list, not to a member's value; so do empty members.
    written = [member.strip(" \t") for value in values for member in value.split(",")]
    found = [_MEMBER.fullmatch(member) for member in written if member]
    if len(found) > _MOST_MEMBERS:
        return ""
    keys = {member[1] for member in found if member}
    return ",".join(filter(None, written)) if len(keys) == len(found) else ""

"""Ids: a prefix that says the noun, then a ULID in lower case, so that ids sort by creation.

The layout is the ULID specification's: 48 bits of milliseconds, 80 random bits, Crockford base32.
"""

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26


def new_id(prefix: str) -> str:
    """Make an id such as `run_01k9…`; sortable to the millisecond, unique without coordination."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    digits = [_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def is_id(prefix: str, text: str) -> bool:
    """Whether `text` has the shape of an id of this noun; says nothing of its existence."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == _LENGTH and all(sign in _ALPHABET for sign in tail)

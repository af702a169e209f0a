"""Pages of lists: what a caller may ask for, and the opaque token that leads to the next page.

A token says behind which row the next page begins and which filter it belongs to, so that it
cannot be carried over to another question.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.errors import InvalidInput, Violation

_DEFAULT_SIZE = 50
_MAX_SIZE = 200
_FILTER_DIGITS = 12
_NUMBER = re.compile(r"[0-9]{1,9}")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted: `size` rows behind `after`, or the first ones."""

    size: int
    after: str | None
    filter_digest: str

    def after_number(self) -> int:
        """`after` in a list that is numbered.

        Raises:
            InvalidInput: The token was tampered with.
        """
        if self.after is None or not _NUMBER.fullmatch(self.after):
            raise _token_refused()
        return int(self.after)

    def cut(self, rows: Sequence[R], key: Callable[[R], str]) -> tuple[Sequence[R], str]:
        """The page's rows, and the token for the next page, from one row more than fits."""
        if len(rows) <= self.size:
            return rows, ""
        kept = rows[: self.size]
        token = f"{self.filter_digest}{key(kept[-1])}"
        return kept, base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def read_page(size: int, token: str, filters: str = "") -> Page:
    """What a request's page_size and page_token ask for; `filters` are its other fields as text.

    Raises:
        InvalidInput: The size is negative, or the token is not one this list gave out.
    """
    if size < 0:
        violation = Violation("/page_size", "too_small", "A page has at least one row.")
        raise InvalidInput("The page size is negative.", violations=[violation])
    digest = hashlib.sha256(filters.encode()).hexdigest()[:_FILTER_DIGITS]
    after = _read_token(token, digest) if token else None
    return Page(min(size or _DEFAULT_SIZE, _MAX_SIZE), after, digest)


def _read_token(token: str, digest: str) -> str:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith(digest) or not text.isprintable() or len(text) == len(digest):
        raise _token_refused()
    return text[len(digest) :]


def _token_refused() -> InvalidInput:
    violation = Violation("/page_token", "invalid", "Send the next_page_token of this list.")
    return InvalidInput(
        "The page token is not one of this list.",
        reason="PAGE_TOKEN_INVALID",
        violations=[violation],
    )

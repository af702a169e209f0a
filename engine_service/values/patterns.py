"""JavaScript regular expressions for conditions, with a time limit.

Authors know JavaScript's dialect, from `/^fo{2}$/i` to `(?<name>…)`. Where Python's differs the
pattern is rewritten; a pattern that backtracks without end is stopped, since it would hold up
every run in the process.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

import regex

TIME_LIMIT_SECONDS = 0.1
BUDGET_SECONDS = 1.0
MOST_SIGNS = 5_000
_DELIMITED = re.compile(r"/(?P<body>.*?)/(?P<flags>[gimusy]*)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:<(?P<name>[A-Za-z_]\w*)>|(?P<number>[1-9]\d?)|[$&`'])", re.ASCII)
T = TypeVar("T")
_FLAGS = {"i": "IGNORECASE", "m": "MULTILINE", "s": "DOTALL"}
_TOKEN = re.compile(
    r"\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c[A-Za-z]|\\k<[^>]+>|\\p\{[^}]+\}"
    r"|\\P\{[^}]+\}|\\.|\[\^\]|\[\]|.",
    re.DOTALL,
)
_CLASSES = {
    r"\d": "0-9",
    r"\w": "A-Za-z0-9_",
}
_NEGATED = {r"\D": r"[^0-9]", r"\W": r"[^A-Za-z0-9_]"}


class Budget:
    """Bounds what all searches of its `with` block take together; then patterns are refused.

    Attributes:
        left: Seconds.
    """

    __slots__ = ("_token", "left")

    def __init__(self, seconds: float = BUDGET_SECONDS) -> None:
        self.left = seconds

    def __enter__(self) -> None:
        self._token = _budget.set(self)

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._token)


_budget: ContextVar[Budget | None] = ContextVar("pattern_budget", default=None)


class BadPattern(ValueError):
    """The pattern is not a regular expression, or takes too long."""


def search(pattern: str, text: str) -> bool:
    """Whether the pattern, bare or `/delimited/flags`, is found in the text.

    Raises:
        BadPattern: It is malformed, needs more than TIME_LIMIT_SECONDS, or the budget is used up.
    """
    return _in_time(pattern, lambda seconds: _find(pattern, text, seconds) is not None)


def replace_first(pattern: str, replacement: str, text: str) -> str:
    """The text with the pattern's first match replaced; `$1`, `$<name>` and `$&` stand for parts.

    Raises:
        BadPattern: As in `search`.
    """

    def replaced(seconds: float) -> str:
        match = _find(pattern, text, seconds)
        if match is None:
            return text
        inserted = _REFERENCE.sub(lambda found: _part(found, match), replacement)
        return text[: match.start()] + inserted + text[match.end() :]

    return _in_time(pattern, replaced)


def _in_time(pattern: str, work: Callable[[float], T]) -> T:
    """Do something with a pattern, within its own time and within what is left for the node."""
    if len(pattern) > MOST_SIGNS:
        raise BadPattern(f"the pattern has {len(pattern)} signs; {MOST_SIGNS} are the most")
    given = _budget.get()
    if given is None:
        return work(TIME_LIMIT_SECONDS)
    if given.left <= 0:
        raise BadPattern("the patterns of this node take too long on all of its items together")
    begun = time.perf_counter()
    try:
        return work(min(TIME_LIMIT_SECONDS, given.left))
    finally:
        given.left -= time.perf_counter() - begun


def _find(pattern: str, text: str, seconds: float) -> "regex.Match[str] | None":
    compiled, sticky = _compile(pattern)
    find = compiled.match if sticky else compiled.search
    try:
        return find(text, timeout=seconds)
    except TimeoutError as error:
        raise BadPattern(f"the pattern {pattern!r} takes too long on this text") from error


def _part(reference: re.Match[str], match: "regex.Match[str]") -> str:
    """What a `$…` in a replacement stands for; itself, where it stands for nothing."""
    name = reference["name"] or reference["number"]
    if name is not None:
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return reference[0]
    before, after = match.string[: match.start()], match.string[match.end() :]
    return {"$$": "$", "$&": match[0], "$`": before, "$'": after}[reference[0]]


@lru_cache(maxsize=512)
def _compile(pattern: str) -> "tuple[regex.Pattern[str], bool]":
    match = _DELIMITED.fullmatch(pattern)
    body, letters = (match["body"], match["flags"]) if match else (pattern, "")
    flags = regex.V0
    for letter in letters:
        flags |= getattr(regex, _FLAGS[letter]) if letter in _FLAGS else 0
    try:
        return regex.compile("".join(_translate(body, "m" in letters)), flags), "y" in letters
    except (regex.error, ValueError, OverflowError) as error:
        raise BadPattern(f"the pattern {pattern!r} is malformed: {error}") from error
    except RecursionError as error:
        raise BadPattern(f"the pattern {pattern!r} is nested too deeply") from error


def _translate(body: str, multiline: bool) -> Iterator[str]:
    in_class = False
    for token in _TOKEN.findall(body):
        if in_class:
            in_class = token != "]"
            yield _in_class(token)
        elif token == "[":
            in_class = True
            yield token
        else:
            yield _outside(token, multiline)


def _in_class(token: str) -> str:
    if token in ("[", "[]", "[^]"):
        return "".join("\\" + sign if sign == "[" else sign for sign in token)
    if token in ("&", "~", "|", "-") or token == "]":
        return token
    if token == r"\b":
        return r"\x08"
    return _CLASSES.get(token) or _escape(token)


def _outside(token: str, multiline: bool) -> str:
    if token == "$" and not multiline:
        return r"\Z"
    if token == "[^]":
        return r"[\s\S]"
    if token == "[]":
        return r"(?!)"
    if token in _CLASSES:
        return f"[{_CLASSES[token]}]"
    return _NEGATED.get(token) or _escape(token)


def _escape(token: str) -> str:
    if token.startswith((r"\u{", r"\u")) and len(token) > 2:
        return regex.escape(chr(int(token[2:].strip("{}"), 16)))
    if token.startswith(r"\c") and len(token) == 3:
        return regex.escape(chr(ord(token[2]) % 32))
    if token.startswith(r"\k<"):
        return f"(?P={token[3:-1]})"
    if token in (r"\/", r"\-", r"\_") or (len(token) == 2 and token[0] == "\\" and _odd(token[1])):
        return regex.escape(token[1])
    return token


def _odd(letter: str) -> bool:
    """Letters that JavaScript lets one escape for nothing, and that mean something in Python."""
    return letter in "aACeEGhHijJKlLmMNoOqQRUVyYXzZg<>"

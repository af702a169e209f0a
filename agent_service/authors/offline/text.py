"""Text made ready for reading: its language, and its literal parts set aside.

Addresses, quotations and code are replaced by single signs, so that no rule mistakes a word inside
of them for a word of the sentence; `Text.restore` and `Text.literal` bring them back.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["url", "path", "quote", "code", "email"]

LITERAL = r"[\ue000-\uf8ff]"
"""A regular expression for the sign that stands for a literal part."""

_FIRST, _MOST = 0xE000, 6_000
_LONGEST = 8_000
_SPACES = re.compile(r"[^\S\n]+")
# Patterns look for the end of a sentence from every word on, so that one has to come in time.
_ENDLESS = re.compile(r"([^\n.!?;,。！？；，]{300}\S{0,60})\s?")
_TOKEN = re.compile(LITERAL)
_UNSEEN = re.compile(rf"{LITERAL}|[\x00-\x08\x0b-\x1f\x7f]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")

_URL_SIGNS = r"[^\s\"'<>`，。；！？、（）《》“”「」\ue000-\uf8ff]"
_LITERALS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("code", re.compile(r"```(?:\w+\n)?(.+?)```", re.DOTALL)),
    ("url", re.compile(rf"(https?://{_URL_SIGNS}+)", re.IGNORECASE)),
    ("email", re.compile(r"\b([\w.+-]+@[\w-]+(?:\.[\w-]+)+)\b")),
    (
        "url",
        re.compile(
            r"(?<![\w./@-])((?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|ai|app|cn|de|eu|uk|co|test"
            rf"|example|local)(?::\d+)?/{_URL_SIGNS}*)",
            re.IGNORECASE,
        ),
    ),
    ("url", re.compile(rf"(?<![\w./@-])((?:localhost|127\.0\.0\.1):\d+{_URL_SIGNS}*)")),
    ("code", re.compile(r"`([^`\n]*(?:=>|\breturn\b|[;(])[^`\n]*)`")),
    ("quote", re.compile(r"`([^`\n]+)`")),
    ("quote", re.compile(r"[“\"]([^“”\"\n]{1,400})[”\"]")),
    ("quote", re.compile(r"[「『《]([^」』》\n]{1,400})[」』》]")),
    ("quote", re.compile(r"(?<![\w])[‘']([^'’\n]{1,200})['’](?!\w)")),
    ("path", re.compile(r"(?<![\w/.])(/[a-zA-Z][\w{}:-]*(?:/[\w{}:.-]+)*)(?![\w/])")),
)
_TRAILING = ".,;:!?)]}"


@dataclass(frozen=True, slots=True)
class LiteralPart:
    """A part of a text that means exactly what it says."""

    kind: Kind
    value: str


@dataclass(slots=True)
class Text:
    """A text with its literal parts set aside; `plain` has one private sign for each of them."""

    plain: str
    parts: list[LiteralPart] = field(default_factory=list[LiteralPart])

    @classmethod
    def of(cls, original: str) -> "Text":
        """Read a text; one that is longer than any request is cut."""
        text = cls(_UNSEEN.sub("", _SPACES.sub(" ", original[:_LONGEST])))
        for kind, pattern in _LITERALS:
            text.plain = pattern.sub(lambda found, kind=kind: text._keep(kind, found), text.plain)
        text.plain = _ENDLESS.sub(r"\1\n", text.plain)
        return text

    def _keep(self, kind: Kind, found: "re.Match[str]") -> str:
        if len(self.parts) >= _MOST:
            return found.group()
        value, rest = found.group(1), ""
        if kind == "url":
            bare = _without_trailing(value)
            value, rest = bare, value[len(bare) :]
        self.parts.append(LiteralPart(kind, self.restore(value)))
        return chr(_FIRST + len(self.parts) - 1) + rest

    def restore(self, plain: str) -> str:
        """A piece of `plain` with its literal parts as they were, quotation marks apart."""
        return _TOKEN.sub(lambda found: self.parts[ord(found.group()) - _FIRST].value, plain)

    def literals(self, plain: str, *kinds: Kind) -> list[LiteralPart]:
        """The literal parts in a piece of `plain`, in order."""
        found = (self.parts[ord(sign) - _FIRST] for sign in _TOKEN.findall(plain))
        return [part for part in found if not kinds or part.kind in kinds]

    def literal(self, plain: str, *kinds: Kind) -> str | None:
        """The first literal part of a kind in a piece of `plain`."""
        found = self.literals(plain, *kinds)
        return found[0].value if found else None


def _without_trailing(url: str) -> str:
    """An address without the punctuation of the sentence around it; balanced brackets stay."""
    while url and url[-1] in _TRAILING:
        opening = {")": "(", "]": "[", "}": "{"}.get(url[-1])
        if opening and url.count(opening) >= url.count(url[-1]):
            break
        url = url[:-1]
    return url


def language_of(text: str) -> str:
    """`zh` when a fair part of the letters is Chinese, else `en`."""
    han, letters = len(_HAN.findall(text)), len(_LETTER.findall(text))
    return "zh" if letters and han / letters > 0.15 else "en"


def is_han(text: str) -> bool:
    """Whether a text has Chinese signs."""
    return bool(_HAN.search(text))

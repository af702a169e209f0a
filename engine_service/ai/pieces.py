"""Cuts long texts into pieces, where a paragraph, a sentence or at least a word ends."""

from collections.abc import Sequence

_ENDS = ("\n\n", "\n", "。", ". ", " ")


def pieces(text: str, longest: int, overlap: int = 0) -> Sequence[str]:
    """A text in pieces; each begins with about so many of the last signs of the one before it."""
    text = text.strip()
    parts: list[str] = []
    start = 0
    while len(text) - start > longest:
        cut = _end(text, start, longest)
        parts.append(text[start:cut].strip())
        start = _back(text, cut, min(overlap, longest // 4))
        while text[start : start + 1].isspace():
            start += 1
    return [*parts, text[start:]]


def _end(text: str, start: int, longest: int) -> int:
    for sign in _ENDS:
        at = text.rfind(sign, start + longest // 2, start + longest)
        if at > 0:
            return at + len(sign)
    return start + longest


def _back(text: str, cut: int, overlap: int) -> int:
    """Where the next piece begins: at a word, if one begins there."""
    if not overlap:
        return cut
    word = text.find(" ", cut - overlap, cut)
    return cut - overlap if word < 0 else word + 1

"""Text as words that PostgreSQL can compare.

Its dictionaries split at spaces, which Chinese does not have; so every two neighbouring Chinese
signs become a word of their own, here and in queries alike.
"""

import re

_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_TERM = re.compile(r"\w+(?:[.-]\w+)*")


def pairs(text: str) -> list[str]:
    """The Chinese words of a text: neighbouring signs, two by two; a single sign is itself."""
    found: list[str] = []
    for run in _HAN_RUN.findall(text):
        found.extend(run[place : place + 2] for place in range(max(1, len(run) - 1)))
    return found


def searchable(*texts: str) -> str:
    """What to index for some texts: themselves, and their Chinese words."""
    whole = "\n".join(texts)
    return f"{whole}\n{' '.join(pairs(whole))}"


def query(text: str) -> str:
    """A query in PostgreSQL's syntax that is content with any of the text's words."""
    terms = [*_TERM.findall(_HAN_RUN.sub(" ", text)), *pairs(text)]
    return " | ".join(f"'{term}'" for term in dict.fromkeys(terms))

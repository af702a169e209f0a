"""Names and ids of nodes.

Expressions refer to names, so names stay as they are unless they are too long or empty; ids are
made from them.
"""

import re
from collections.abc import Iterable

_MOST_NAME = 120
_MOST_ID = 48
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")


class Naming:
    """What nodes are called from now on.

    Attributes:
        ids: By name in the document, the node's id.
        names: By name in the document, its name.
        renamed: Those whose name had to change.
        told: The same in words.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.ids: dict[str, str] = {}
        self.names: dict[str, str] = {}
        taken: set[str] = set()
        for name in names:
            self.names[name] = _fresh(name.strip()[:_MOST_NAME] or "Node", self.names.values())
            slug = _NOT_IN_IDS.sub("_", name.lower()).strip("_")[:_MOST_ID] or "node"
            slug = slug if slug[0].isalpha() else f"n_{slug}"
            self.ids[name] = _fresh(slug, taken)
            taken.add(self.ids[name])
        self.renamed = {old: new for old, new in self.names.items() if old != new}
        self.told = [f"{old!r} is called {new!r} now." for old, new in self.renamed.items()]


def _fresh(wanted: str, taken: Iterable[str]) -> str:
    """The name itself, or with the first number that nobody has."""
    known, made, number = set(taken), wanted, 2
    while made in known:
        tail = f"_{number}"
        made, number = f"{wanted[: _MOST_NAME - len(tail)]}{tail}", number + 1
    return made

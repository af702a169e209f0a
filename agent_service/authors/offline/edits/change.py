"""What an edit recognizer is given, and what it gives back."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_service.authors.offline.reading import Open
from agent_service.authors.offline.text import Text
from agent_service.catalogue import Catalogue
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Wish:
    """One clause of what is wished, and the document it is about."""

    plain: str
    text: Text
    definition: JsonObject
    catalogue: Catalogue
    language: str
    answers: Mapping[str, str]

    def copy(self) -> JsonObject:
        """The document, free to be changed."""
        return copy.deepcopy(self.definition)

    @property
    def phrase(self) -> str:
        """The wish in the person's words."""
        return self.text.restore(self.plain)


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed document.

    Attributes:
        touches: What the change is about: node ids, `name`, `settings`.
        open: What must be known first; the document is unchanged then.
    """

    definition: JsonObject
    touches: Sequence[str]
    unmatched: Sequence[str] = ()
    open: Sequence[Open] = ()

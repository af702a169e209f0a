"""The editor: each clause of a wish is taken by the first kind of change that understands it."""

import re
from collections.abc import Callable, Sequence

from agent_service import patching
from agent_service.author import Edit, Request
from agent_service.authors.offline.edits.adding import add_condition, add_steps
from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.naming import rename
from agent_service.authors.offline.edits.removing import remove
from agent_service.authors.offline.edits.timing import change_time, change_zone
from agent_service.authors.offline.edits.values import (
    change_answer,
    change_limit,
    change_method,
    change_path,
    change_pause,
    change_url,
)
from agent_service.authors.offline.questions import questions_of
from agent_service.authors.offline.reading import Open
from agent_service.authors.offline.text import Text
from shared.session_events import Question

CHANGES: tuple[Callable[[Wish], Changed | None], ...] = (
    rename,
    change_zone,
    change_time,
    change_limit,
    remove,
    add_condition,
    change_path,
    change_url,
    change_method,
    change_pause,
    change_answer,
    add_steps,
)
_CUT = re.compile(
    r"(?<=[.!?;。！？；])\s*|\n+|(?:,\s*(?:and\s+|then\s+)?|\s+(?:and|then)\s+)(?:also\s+)?"
    r"(?=(?:rename|remove|delete|drop|make it|change|use|call it|set|also|only|run it|wait|add"
    r"|post|send|ask|reply)\b)|[,，](?=(?:并|同时|再|然后|把|将|改|去掉|删除|用))",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^(?:(?:please|ok(?:ay)?|now|and|but|can you|could you|i want(?: you)? to"
    r"|i'd like(?: you)? to|just|hmm|well|请|麻烦|帮我|那就|好的)[,，]?\s*)+",
    re.IGNORECASE,
)


def edit(request: Request) -> Edit:
    """The patch that does what was said; what no kind of change understands is named."""
    before = request.definition or {}
    done, unmatched, _ = _work(request)
    after = done[-1][1].definition if done else before
    touches = [name for _, changed in done for name in changed.touches]
    return Edit(
        operations=patching.difference(before, after),
        touches=list(dict.fromkeys(touches)),
        changes=[phrase for phrase, _ in done],
        unmatched=[*unmatched, *(name for _, changed in done for name in changed.unmatched)],
    )


def edit_questions(request: Request, language: str) -> list[Question]:
    """What must be known before the change can be made."""
    _, _, missing = _work(request)
    return questions_of(missing, language)


def _work(request: Request) -> tuple[list[tuple[str, Changed]], list[str], list[Open]]:
    """Each clause's change on top of the one before; what was not understood; what is open."""
    definition = request.definition or {}
    done: list[tuple[str, Changed]] = []
    unmatched: list[str] = []
    missing: list[Open] = []
    for text, plain in _clauses(request.said):
        wish = Wish(plain, text, definition, request.catalogue, request.language, request.answers)
        changed = _change(wish)
        if changed is None:
            unmatched.append(wish.phrase)
        elif changed.open:
            missing.extend(changed.open)
        else:
            definition = changed.definition
            done.append((wish.phrase, changed))
    return done, unmatched, missing


def _change(wish: Wish) -> Changed | None:
    for recognize in CHANGES:
        changed = recognize(wish)
        if changed is not None and (changed.open or changed.definition != wish.definition):
            return changed
    return None


def _clauses(said: Sequence[str]) -> list[tuple[Text, str]]:
    found: list[tuple[Text, str]] = []
    for message in said:
        text = Text.of(message)
        for piece in _CUT.split(text.plain):
            plain = _POLITE.sub("", piece.strip()).strip(" ,，.。!！;；")
            if plain:
                found.append((text, plain))
    return found

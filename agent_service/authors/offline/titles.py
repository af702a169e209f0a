"""What a workflow is called when nobody named it: what begins it, and what it does."""

from agent_service.authors.offline.labels import start_label, step_label
from agent_service.authors.offline.reading import (
    Branch,
    Choice,
    Fan,
    ForeignStart,
    Ignore,
    ManualStart,
    ScheduleStart,
    Start,
    Step,
    WebhookStart,
    walk,
)

_LENGTH = 80
_MOST = 3


def title_of(start: Start, steps: list[Step], language: str) -> str:
    """A title such as `Order webhook: ask for approval, POST api.example.com`."""
    done = [
        step_label(step, language)
        for step in walk(steps)
        if not isinstance(step, Branch | Choice | Fan | Ignore)
    ]
    named = list(dict.fromkeys(done))[:_MOST]
    colon, comma = ("：", "、") if language == "zh" else (": ", ", ")
    lowered = [name[:1].lower() + name[1:] if _is_word(name) else name for name in named]
    title = colon.join(part for part in (_beginning(start, language), comma.join(lowered)) if part)
    title = title[:1].upper() + title[1:]
    return title if len(title) <= _LENGTH else title[: _LENGTH - 1].rstrip() + "…"


def _is_word(name: str) -> bool:
    return len(name) > 1 and name[1].islower()


def _beginning(start: Start, language: str) -> str:
    match start:
        case WebhookStart():
            joint = "" if language == "zh" else " "
            return joint.join(part for part in (start.subject, "webhook") if part)
        case ScheduleStart():
            return start.phrase.strip() or start_label(start, language)
        case ForeignStart():
            return start.system
        case ManualStart():
            return ""

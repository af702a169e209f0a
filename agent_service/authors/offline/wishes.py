"""What one clause asks for, as steps: by itself, for each of many, or after somebody's consent."""

import re
from dataclasses import replace

from agent_service.authors.offline import framing
from agent_service.authors.offline.actions import RECOGNIZERS, STATEMENT_RECOGNIZERS
from agent_service.authors.offline.actions.approvals import is_approval
from agent_service.authors.offline.actions.foreign import told_to_somebody
from agent_service.authors.offline.actions.language import read_language_task
from agent_service.authors.offline.actions.lists import loop_source, read_loop
from agent_service.authors.offline.actions.requests import addresses_in, fan_out, page_to_fetch
from agent_service.authors.offline.actions.routes import read_routes
from agent_service.authors.offline.limits import LimitFound, find_limit
from agent_service.authors.offline.reading import (
    Ai,
    Ask,
    Branch,
    Choice,
    Code,
    Fan,
    Foreign,
    Http,
    Keep,
    Loop,
    SetFields,
    Split,
    Step,
    Unmatched,
)
from agent_service.authors.offline.text import Text

_ASKING = r"(?:ask|asks|check with|consult|wait for)\b[^,]*?"
_AFTER_CONSENT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?P<act>.{4,}?)\s+(?:but )?(?:only )?(?:after|once|when|if|with|upon|subject to)\s+"
        r"(?P<gate>[^,]*?(?:approv\w*|consent|permission|confirms?|agrees?|sign-?off|go-?ahead|ok)"
        r"(?: it| this| that)?)$",
        r"^(?P<gate>(?:(?:once|when|after|only after|only if|upon|with|only with)\s+)?[^,，]*?"
        r"(?:approv(?:es?|al|ed)|permission|consent|confirm(?:s|ation)?|agrees?|sign-?off"
        r"|go-?ahead))[,，]?\s+(?P<act>\S.+)$",
        rf"^(?P<gate>{_ASKING})\s+before\s+(?:(?:you|it|we|they)\s+)?(?P<act>\w.+)$",
        rf"^(?P<gate>{_ASKING})\s+(?:whether|if)\s+(?:(?:i|we|you|it)\s+"
        r"(?:want(?: you)?|may|can|should|shall|could|wish)\s+)?(?:to\s+)?(?P<act>\w.+)$",
        r"^(?P<gate>.*?(?:审批|批准|同意|确认)(?:之?后|通过后|了?再|了才能?))[,，]?(?P<act>.+)$",
        r"^在?(?P<act>.+?)之?前[,，]?\s*(?P<gate>(?:先|要|必须)*(?:问我|征求|征得|让|请|由|经).*)$",
        r"^(?P<gate>先?(?:问|询问)(?:一下)?我)(?:是否|要不要|能不能|可不可以|能否)(?P<act>.+)$",
    )
)


def steps_of(plain: str, text: Text, *, asked: bool = False) -> list[Step]:
    """The steps that a clause asks for; `asked` if the consent it speaks of was just asked for."""
    if framing.says_nothing(plain):
        return []
    routed = read_routes(plain, text, lambda target: steps_of(target, text))
    if routed is not None:
        return [routed]
    if consent := _after_consent(plain, text, asked=asked):
        return consent
    limit = find_limit(plain, text)
    if loop := read_loop(limit.rest if limit else plain, text):
        return _looped(plain, loop, limit, text)
    steps = _single(plain, text)
    if limit is None or not steps or isinstance(steps[-1], Keep | Branch | Choice | Unmatched):
        return steps
    return [Branch(limit.condition.phrase, limit.condition, _single(limit.rest, text) or steps, [])]


def _single(plain: str, text: Text) -> list[Step]:
    """What a clause asks for, if it is neither a loop nor a choice."""
    wish = framing.is_wish(plain)
    for recognize in RECOGNIZERS if wish else STATEMENT_RECOGNIZERS:
        step = recognize(plain, text)
        if step is not None:
            return _completed(step, plain, text)
    # A statement is not a wish; only what was to be done and is not understood is unmatched.
    return [Unmatched(text.restore(plain))] if wish else []


def _completed(step: Step, plain: str, text: Text) -> list[Step]:
    """A step with what it needs first, or what the same words ask for after it."""
    if isinstance(step, Ai | Code | SetFields):
        page = page_to_fetch(plain, text)
        return [page, step] if page else [step]
    if isinstance(step, Http) and step.url:
        urls = addresses_in(plain, text, step.method)
        more = [] if len(urls) < 2 else [Fan(step.phrase, fan_out(step, urls))]
        task = read_language_task(plain, text) if step.method == "GET" else None
        told = told_to_somebody(plain, text) if step.method == "GET" else None
        also = [one for one in (task, told) if isinstance(one, Ai | Foreign)]
        return [*(more or [step]), *also]
    return [step]


def _after_consent(plain: str, text: Text, *, asked: bool) -> list[Step]:
    """`after my approval send it`, `ask me before you send it`: the consent comes first."""
    for pattern in _AFTER_CONSENT:
        found = pattern.match(plain)
        if found is None or not is_approval(found["gate"]):
            continue
        act = steps_of(found["act"], text)
        known: list[Step] = [step for step in act if not isinstance(step, Unmatched | Ask)]
        if known:
            return known if asked else [Ask(text.restore(found["gate"]), ""), *known]
    return []


def _looped(
    plain: str, found: tuple[Loop, str], limit: LimitFound | None, text: Text
) -> list[Step]:
    """A loop over the items that its limit lets pass."""
    loop, rest = found
    if rest and not framing.says_nothing(rest):
        loop.steps.extend(_single(rest, text))
    source = loop_source(plain, text)
    steps: list[Step] = [Split(loop.phrase, source)] if source else []
    if limit is not None:
        steps.append(Keep(limit.condition.phrase, limit.condition))
    return [*steps, replace(loop, phrase=text.restore(plain))]

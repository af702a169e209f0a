"""What frames a wish without being part of it: politeness, `build a workflow that`, plans."""

import re

from agent_service.authors.offline.text import Text
from agent_service.authors.offline.verbs import (
    ACTION_NOUN,
    ACTION_START,
    HAN_ACTION,
    IMPERATIVE,
)

_FLAGS = re.IGNORECASE
_MAKING = r"(?:create|build|make|set up|setup|design|write|give me|develop|implement|generate|have)"
_THING = r"(?:workflow|automation|flow|pipeline|bot|zap|process)s?"
_FRAME = re.compile(
    r"\b(?:please\s+)?(?:(?:can|could|would) you (?:please )?)?(?:i (?:want|need|would like)"
    r"(?: you)?(?: to)?|i'd like(?: you)? to|help me(?: to)?|let'?s)\b\s*(?:to )?"
    rf"|\b(?:please )?{_MAKING}\s+(?:me\s+)?(?:a|an|the|this|another|one)?\s*"
    rf"(?:[\w-]+\s+){{0,4}}?{_THING}\b(?:\s*(?:that|which|to|for|where|named|called|so that|:)\b)?"
    r"|\b(?:this|the) (?:n8n )?(?:workflow|automation|template|flow)\b"
    r"(?:\s+(?:is|will|should|can|automatically|demonstrates how to|allows you to))*"
    r"|请?(?:帮我|给我|为我)?(?:创建|建立?"
    r"|做|搭建|设计|生成|构建)一?个[^,，。\n]{0,12}?(?:工作流|流程|自动化)[,，:：]?",
    _FLAGS,
)
_NAMED = re.compile(
    r"\b(?:workflow |it |flow |automation )?(?:named|called|with the name|titled)\s+"
    r"(?P<name>[\ue000-\uf8ff])|(?:名为|叫做?)(?P<han>[\ue000-\uf8ff])",
    _FLAGS,
)
_A_NODE = re.compile(r"\b(?:node|step|field|property|block|trigger)s?\s+$", _FLAGS)
_PLAN_FIRST = re.compile(
    r"\b(?:first,? )?(?:create|make|show(?: me)?|give me|propose|present) (?:me )?"
    r"(?:a|the|your)?\s*(?:structured |short )?plan\b|\bbefore (?:you )?build(?:ing)?\b"
    r"|\bdo not skip the plan\b|先(?:给我)?(?:看|列|出)[^,，。\n]*?(?:计划|方案)",
    _FLAGS,
)
_PLAN_TALK = re.compile(
    r"\bplan\b[^.\n]*\bapprov|\bplan (?:card|approval)|\bdo not (?:skip|use)\b|\bapprove the plan"
    r"|\bbefore building\b|^after i approve,?$|\bshow me (?:the|a|your) plan\b",
    _FLAGS,
)
_AFTER_PLAN = re.compile(r"\bafter i approve(?: the plan(?: card)?)?,?", _FLAGS)
_META = re.compile(
    r"^(?:configure|verify|test|name|after saving|before building|make sure (?:the|it) works"
    r"|don'?t ask|do not ask|important|requirements?|output must|workflow must|it should be|i want"
    r"|note|goal|purpose)\b.*|^(?:thanks?(?: you)?|ok(?:ay)?|great|yes|no|try again|retry|go on"
    r"|continue|好的|谢谢|再试一次)$",
    _FLAGS,
)
_EMPTY = re.compile(
    r"^(?:it )?(?:run|start|begin|check|schedule|trigger|execute|go|work)(?:s|es)?(?: it)?:?$|^"
    r"(?:(?:please|create|build|make|set up|with|a|an|the|me|new|simple|workflow|automation|in|for"
    r"|to|and|then|using|that|which|it|of|by|[\ue000-\uf8ff]|创建|一个|工作流|流程)\s*)+[,.:]?$",
    _FLAGS,
)
_TELLS = re.compile(
    r"^(?:(?:the|an?|my|our|their|its|this|that|these|those|there|they|we|i|it|you|he|she|each"
    r"|every|all|some|no|both|which|who|because|so that|since|as|by|for|using|with|at|in|on)\b"
    r"|这|那|我|它|他|因为|所以|其中|每)",
    _FLAGS,
)
_WISH = re.compile(rf"^(?:{ACTION_START}|{ACTION_NOUN}|{HAN_ACTION}|{IMPERATIVE})", _FLAGS)


def find_name(text: Text) -> str | None:
    """The name that a workflow is given in so many words."""
    for found in _NAMED.finditer(text.plain):
        if not _A_NODE.search(text.plain[: found.start()]):
            return text.restore(found["name"] or found["han"])
    return None


def wants_plan_first(plain: str) -> bool:
    """Whether the person wants to see the plan before anything is built."""
    return bool(_PLAN_FIRST.search(plain))


def without_frame(plain: str, about_plan: bool) -> str:
    """The wish without its frame, and without talk of the plan if there is any."""
    rest = _NAMED.sub(" ", plain)
    if about_plan:
        sentences = re.split(r"(?<=[.!?。])\s+|\n", rest)
        rest = "\n".join(one for one in sentences if not _PLAN_TALK.search(one))
        rest = _AFTER_PLAN.sub(" ", rest)
    return _FRAME.sub(" ", rest)


def says_nothing(plain: str) -> bool:
    """Whether a clause is about building, and not about what is built."""
    bare = plain.strip()
    return bool(_META.match(bare) or _EMPTY.match(bare))


def means_something(plain: str) -> bool:
    """Whether a clause that no step came of is worth a word: no frame, no left-over of one."""
    bare = re.sub(r"[^\w\u4e00-\u9fff\ue000-\uf8ff]+", " ", plain).strip()
    long_enough = len(bare.split()) > 1 or len(re.findall(r"[\u4e00-\u9fff]", bare)) > 2
    return long_enough and not says_nothing(plain)


def tells(plain: str) -> bool:
    """Whether a clause tells how things are or shall be."""
    return bool(_TELLS.match(plain.strip()))


def is_wish(plain: str) -> bool:
    """Whether a clause wants something done, as against telling how things are."""
    bare = plain.strip()
    return bool(_WISH.match(bare))

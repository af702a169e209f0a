"""Work on lists: keep some items, take them apart, go through them, bring branches together."""

import re
from dataclasses import replace

from agent_service.authors.offline.conditions import read_condition
from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.numerals import NUMBER, to_int
from agent_service.authors.offline.reading import (
    Condition,
    Judgement,
    Keep,
    Loop,
    Split,
    Step,
    Together,
    Unmatched,
    Unread,
)
from agent_service.authors.offline.text import Text

_KEEP = re.compile(
    r"^(?:filter(?:s|ing)?|keep(?:s|ing)?|select|pick|take|drop|exclude|remove|discard"
    r"|only (?:continue|proceed|go on)|continue only|proceed only)\b(?P<rest>.*)$"
    r"|^(?:过滤|筛选|只?保留|排除|只继续)(?P<han>.*)$",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:where|whose|with|that (?:are|have|is|has)|which (?:are|have|is|has)|if|when|for which"
    r"|by|that)\b\s*(?P<condition>.+)$",
    re.IGNORECASE,
)
_DROPS = re.compile(
    r"^(?:drop|exclude|remove|discard)\b|^filter out\b|^(?:排除|过滤掉)", re.IGNORECASE
)
_LISTS = re.compile(
    r"\b(?:items?|rows?|records?|entries|ones|orders?|those|results?|list|them|all)\b",
    re.IGNORECASE,
)
_LOOP = re.compile(
    r"\b(?:for (?:each|every)|loop (?:over|through)|iterat(?:e|es|ing|ively)|repeat(?:s)? "
    r"(?:this |it )?for (?:each|every|all)|one (?:by one|at a time)|in batches?|batch(?:es)? of"
    r"|go(?:es)? through (?:each|every|all)|process(?:es)? (?:each|every|all|multiple)"
    r"|(?:each|every) (?:item|row|record|entry|one|chapter|file|page|order|user|customer"
    r"|product|link|url|email)(?: (?:individually|separately|in turn))?)\b|逐[个条一]"
    r"|循环|遍历|对(?:于)?每[一个条]|分批|批量",
    re.IGNORECASE,
)
_EACH = re.compile(
    r"\b(?:for (?:each|every)|over (?:the|each|all)|through (?:the|each|all)|(?:each|every))\s+"
    r"(?:of the |of its )?(?P<what>\w+)"
    r"(?:\s+(?:in|of|from)\s+(?:the |its )?(?P<owner>[\w.\ue000-\uf8ff]+))?",
    re.IGNORECASE,
)
_BATCH = re.compile(
    rf"\b(?:batches? of|groups? of|chunks? of)\s+(?P<size>{NUMBER})|每(?P<han>\d+)[个条]一?批",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"^(?:split(?:s)?(?: out| up)?|break up|explode|unwrap|separate)\b\s*(?P<what>.*)$"
    r"|^(?:拆分|拆开|展开)(?P<han>.*)$",
    re.IGNORECASE,
)
_TOGETHER = re.compile(
    r"^(?:merge|combine|join|aggregate|unify|consolidate|bring (?:\w+ )?together|collect)"
    r"(?:s)?\b.*\b(?:branch(?:es)?|results?|outputs?|data|both|them|all|responses?|sources?"
    r"|together|streams?|paths?)\b|\b(?:should be|are) (?:merged|aggregated|combined|unified)\b"
    r"|^(?:合并|汇总|聚合|整合)",
    re.IGNORECASE,
)


def read_list_work(plain: str, text: Text) -> Step | None:
    """`keep only open ones`, `for each row …`, `split the list`, `merge both branches`."""
    if found := _KEEP.match(plain):
        kept = _keep(plain, found, text)
        if kept is not None:
            return kept
    if _TOGETHER.search(plain):
        return Together(text.restore(plain))
    if found := _SPLIT.match(plain):
        return Split(text.restore(plain), _list_name(found["what"] or found["han"] or "", text))
    return None


def read_loop(plain: str, text: Text) -> tuple[Loop, str] | None:
    """A loop that a clause opens, and what is to be done in it; None when it opens none."""
    if not _LOOP.search(plain):
        return None
    size = _BATCH.search(plain)
    batch = to_int(size["size"] or size["han"]) if size else 1
    rest = plain
    if found := _EACH.search(plain):
        rest = (plain[: found.start()] + " " + plain[found.end() :]).strip(" ,")
    rest = _BATCH.sub("", rest)
    rest = re.sub(
        r"^(?:loop|iterate|iteratively|repeat|go|goes|逐[个条一]|循环|遍历|对于?每[一个条]\w*"
        r"|分批)\b[\s,]*(?:over|through|items?)?[\s,]*",
        "", rest, flags=re.IGNORECASE,
    ).strip(" ,，")  # fmt: skip
    rest = re.sub(r"\b(?:in|one by one|one at a time)$", "", rest).strip(" ,")
    return Loop(text.restore(plain), batch or 1, []), rest


def loop_source(plain: str, text: Text) -> str:
    """The field whose list a loop goes through; empty for the data itself."""
    found = _EACH.search(plain)
    owner = found["owner"] if found else None
    if owner and text.literal(owner, "quote", "code"):
        return field_path(owner, text)
    return ""


def _keep(plain: str, found: "re.Match[str]", text: Text) -> Step | None:
    rest = (found["rest"] or found["han"] or "").strip()
    if condition := _CONDITION.search(rest):
        read = read_condition(condition["condition"], text)
    elif found["han"]:
        read = read_condition(re.sub(r"的.*$|^掉", "", rest), text)
    else:
        return Unmatched(text.restore(plain)) if _LISTS.search(rest) else None
    if any(isinstance(test, Judgement | Unread) for test in read.tests) and not _LISTS.search(rest):
        return None
    negated = bool(_DROPS.match(plain))
    return Keep(text.restore(plain), _turned(read, negated))


def _turned(condition: Condition, negated: bool) -> Condition:
    return replace(condition, negated=condition.negated != negated)


def _list_name(words: str, text: Text) -> str:
    literal = text.literal(words, "quote", "code")
    if literal:
        return literal
    found = re.search(r"\b(?:the )?(?P<name>\w+) (?:list|array|field)\b", words)
    return found["name"] if found and found["name"] not in ("the", "a", "item") else ""

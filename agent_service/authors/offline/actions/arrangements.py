"""Work on all items at once: sort them, keep the first few, drop duplicates, collect, rename."""

import re

from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.numerals import HAN_NUMBER, NUMBER, to_int
from agent_service.authors.offline.reading import Arrange, Step
from agent_service.authors.offline.text import Text

_FLAGS = re.IGNORECASE
_SORT = re.compile(
    r"^(?:sort|order|rank|arrange)(?:s|ed|ing)?\b(?:\s+(?!by\b)[\w\ue000-\uf8ff]+){0,4}?\s+by\s+"
    r"(?:the |their |its )?(?P<by>.+?)(?P<order>[\s,(]+(?:in )?(?:desc|asc|descending|ascending"
    r"|largest|smallest|highest|lowest|newest|oldest|latest|biggest|most|high|low)\b.*)?$",
    _FLAGS,
)
_HAN_SORT = re.compile(
    r"^(?:按照?|根据|以)(?P<by>[^,，]+?)"
    r"(?P<order>从大到小|从高到低|降序|倒序|从小到大|从低到高|升序)?(?:进行)?(?:排序|排列)|排序"
)
_DOWN = re.compile(
    r"desc|largest|highest|newest|latest|biggest|most|high|从大到小|从高到低|降序|倒序", _FLAGS
)
_LIMIT = re.compile(
    r"^(?:limit|cap)\b.*?\bto\s+(?:(?:the\s+)?(?:first|top)\s+)?(?P<most>\d+)\b|^(?:keep|take|use"
    r"|select|pick|return|limit(?: \w+)? to|only(?: keep| take| use)?)\s+(?:only\s+)?(?:the\s+)?"
    rf"(?P<side>first|top|last|bottom|latest)\s+(?P<count>{NUMBER})?\b(?!\s+name)",
    _FLAGS,
)
_HAN_LIMIT = re.compile(
    rf"^只?(?:取|保留|要|选)?(?P<side>前|最前|最后|后)(?P<count>\d+|{HAN_NUMBER})[个条项名]"
)
_DEDUPE = re.compile(
    r"^(?:de-?dup\w*|(?:remove|drop|eliminate|filter out|skip|delete)(?:s|ing)?\s+(?:the |all "
    r"|any )?duplicates?)\b(?:.*?\b(?:by|on|with the same)\s+(?:the |their )?(?P<by>.+))?",
    _FLAGS,
)
_HAN_DEDUPE = re.compile(r"^(?:按(?P<by>[^,，]+?))?(?:去重|(?:去除|去掉|删除|移除)重复)")
_COLLECT = re.compile(
    r"^(?:aggregate|collect|combine|gather|bundle|group|put|merge)(?:s|ing)?\b.*\b"
    r"(?:in)?to\s+(?:a|an|one|a single)\s+(?:single\s+)?(?:list|array|item|object|batch)\b"
    r"|^(?:汇总|聚合|合并)(?:成|为|到)一?[个条份](?:列表|数组)?",
    _FLAGS,
)
_RENAME = re.compile(
    r"^rename\s+(?:the )?(?:field |property |column )?(?P<old>.+?)\s+(?:to|as|into)\s+(?P<new>.+)$",
    _FLAGS,
)
_HAN_RENAME = re.compile(r"^(?:把|将)?(?P<old>.+?)(?:字段)?重命名(?:为|成)(?P<new>.+)$")


def read_arrangement(plain: str, text: Text) -> Step | None:
    """`sort by price, highest first`, `keep the top 5`, `remove duplicates`, 按价格排序."""
    phrase = text.restore(plain)
    if found := _RENAME.match(plain) or _HAN_RENAME.match(plain):
        old, new = field_path(found["old"], text), field_path(found["new"], text)
        renamed = [{"name": old, "to": new}]
        return Arrange(phrase, "data.rename", renamed) if old and new else None
    if text.literal(plain, "url"):
        return None
    if found := _SORT.match(plain) or _HAN_SORT.search(plain):
        return _sorted(phrase, found, text)
    if found := _LIMIT.match(plain) or _HAN_LIMIT.match(plain):
        return _limited(phrase, found)
    if found := _DEDUPE.match(plain) or _HAN_DEDUPE.match(plain):
        by = field_path(found["by"] or "", text)
        given = {"compare": "selected"} if by else {}
        return Arrange(phrase, "data.dedupe", [{"name": by}] if by else [], given)
    return Arrange(phrase, "data.aggregate") if _COLLECT.match(plain) else None


def _sorted(phrase: str, found: "re.Match[str]", text: Text) -> Step | None:
    by = field_path(found["by"] or "", text)
    if not by:
        return None
    order = "descending" if _DOWN.search(found["order"] or "") else "ascending"
    return Arrange(phrase, "data.sort", [{"name": by, "order": order}])


def _limited(phrase: str, found: "re.Match[str]") -> Step:
    groups = found.groupdict()
    count = to_int(groups["count"] or groups.get("most") or "1") or 1
    last = (groups["side"] or "").lower() in ("last", "bottom", "最后", "后")
    keep = {"keep": "last"} if last else {}
    return Arrange(phrase, "data.limit", given={"max_items": count, **keep})

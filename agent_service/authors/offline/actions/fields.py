"""Fields are added, changed, renamed or dropped."""

import re

from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.numerals import to_amount
from agent_service.authors.offline.reading import Constant, FieldOf, SetFields, Step, Value
from agent_service.authors.offline.text import Text

_ASSIGN = re.compile(
    r"^(?:set|sets|add|adds|assign|put|change|define|create|use)\s+"
    r"(?:(?:a|an|the|new|string|number|boolean|text|numeric)\s+)*"
    r"(?:field|property|attribute|variable|value)?s?\s*(?:named |called |of )?(?P<name>.+?)\s+"
    r"(?:to|as|=|equal to|set to|with (?:the )?value(?: of)?|of|be|:=?)\s+(?P<value>.+)$",
    re.IGNORECASE,
)
_ADD_FIELD = re.compile(
    r"^(?:add|adds|create|set)\s+(?:(?:a|an|the|new|string|number|boolean|text|date)\s+)*"
    r"(?P<before>[\w\ue000-\uf8ff]*?)\s*(?:field|property|attribute|column)s?\s*"
    r"(?:named |called )?(?P<name>[\w\ue000-\uf8ff, ]*)$",
    re.IGNORECASE,
)
_KEEP = re.compile(
    r"^(?:keep|select|pick|include|return)\s+only\s+(?:the )?(?:fields? )?(?P<names>.+)$",
    re.IGNORECASE,
)
_HAN_ASSIGN = re.compile(
    r"(?:把|将)?(?P<name>[\w\ue000-\uf8ff\u4e00-\u9fff]+?)(?:字段)?(?:设置?为|设成|改为|赋值为)"
    r"(?P<value>.+)$"
)
_HAN_ADD = re.compile(
    r"(?:添加|增加|新增)(?:一个)?(?:字段)?(?P<name>[\w\ue000-\uf8ff]+)(?:字段)?"
    r"(?:[,，]?(?:值)?(?:为|是|=)(?P<value>.+))?$"
)
_SHAPE = re.compile(
    r"^(?:prepare|format|reformat|structure|normali[sz]e|map|transform"
    r"|clean(?: up)?|restructure|organi[sz]e|shape|convert)(?:s|ing)?\s+"
    r"(?:(?:the|all|its?|incoming|raw|this|that|these)\s+)*(?:data|fields?|payload"
    r"|input|output|results?|response|record|values?|parameters|items?|json)\b"
    r"|^(?:整理|格式化|规范化|转换)(?:数据|字段|结果)",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"^(?:set|sets|add|assign|define)\s+(?P<pairs>.+)$", re.IGNORECASE)
_PAIR = re.compile(
    r"^(?:the )?(?P<name>[\w.\ue000-\uf8ff]+)\s*(?:to|as|=|:)\s*(?P<value>.+)$", re.IGNORECASE
)
_BETWEEN = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE)
_FOLLOWED = re.compile(
    r"[\ue000-\uf8ff]\s+(?:followed by|plus|and|concatenated with)\s+(?P<rest>.+)$", re.IGNORECASE
)


def read_fields(plain: str, text: Text) -> Step | None:
    """`set status to 'new'`, `add a field total = price`, `rename a to b`."""
    phrase = text.restore(plain)
    if found := _KEEP.match(plain):
        names = [field_path(one, text) for one in re.split(r",| and ", found["names"])]
        kept: dict[str, Value] = {name: FieldOf(name) for name in names if name}
        return SetFields(phrase, kept, only=True) if kept else None
    if (several := _several(plain, text)) is not None:
        return SetFields(phrase, several)
    found = _ASSIGN.match(plain) or _HAN_ASSIGN.search(plain)
    if found and (name := field_path(found["name"], text)):
        return SetFields(phrase, {name: _value(found["value"], text)})
    if found := _HAN_ADD.search(plain):
        value = _value(found["value"], text) if found["value"] else Constant("")
        return SetFields(phrase, {field_path(found["name"], text): value})
    if found := _ADD_FIELD.match(plain):
        names = [found["before"], *re.split(r",|\band\b", found["name"])]
        added: dict[str, Value] = {
            path: Constant("") for one in names if (path := field_path(one, text))
        }
        return SetFields(phrase, added) if added else None
    return SetFields(phrase, {}) if _SHAPE.match(plain) else None


def _several(plain: str, text: Text) -> dict[str, Value] | None:
    """`set a to 1 and b to 2`: each name with its own value; None when there is but one."""
    found = _SEVERAL.match(plain)
    if found is None:
        return None
    pairs = [_PAIR.match(part.strip()) for part in _BETWEEN.split(found["pairs"])]
    if len(pairs) < 2 or None in pairs:
        return None
    read = [(field_path(pair["name"], text), _value(pair["value"], text)) for pair in pairs if pair]
    return {name: value for name, value in read if name}


def _value(words: str, text: Text) -> Value:
    bare = words.strip(" .,。")
    if found := _FOLLOWED.search(bare):
        prefix = text.literal(bare, "quote", "code") or ""
        if path := field_path(
            re.sub(r"^the (?:trigger|webhook|input)'?s?\s+", "", found["rest"]), text
        ):
            return Constant(f"{prefix}{{{{ $json.{path} }}}}")
    literal = text.literal(bare, "quote", "code", "url", "email")
    if literal is not None:
        return Constant(literal)
    number = to_amount(bare) if re.search(r"\d", bare) else None
    if number is not None:
        return Constant(number)
    if re.fullmatch(r"true|false|yes|no", bare, re.IGNORECASE):
        return Constant(bare.lower() in ("true", "yes"))
    if re.fullmatch(
        r"(?:the )?(?:current (?:time|date|timestamp)|now|当前时间)", bare, re.IGNORECASE
    ):
        return Constant("{{ $now.toISO() }}")
    if re.match(r"(?:the|its?|their)\s", bare, re.IGNORECASE) and (path := field_path(bare, text)):
        return FieldOf(path)
    return Constant(text.restore(bare))

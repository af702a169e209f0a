"""What a step sends or says: `the order id and total`, `{"id": 1}`, `it`, `'done'`."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from agent_service.authors.offline.fields import field_path
from agent_service.authors.offline.reading import Constant, FieldOf, Source, Value
from agent_service.authors.offline.text import Text

_WITH = re.compile(
    r"\b(?:with|containing|including|include|that (?:contains|includes|has)|carrying|using|as)\s+"
    r"(?:(?:a|an|the|its|only|just)\s+)*(?:(?:json|request|raw|form)\s+)*"
    r"(?:(?:body|payload|data|object|fields?)\b)?(?:\s*(?:of|that (?:contains|includes|has)"
    r"|containing|including|with|being|is|=|:))?\s*(?P<what>.+)$",
    re.IGNORECASE,
)
_HAN_WITH = re.compile(
    r"(?:包含|带上|携带|附带|内容为|内容是|数据为)(?P<what>.+?)(?:的?(?:数据|内容|JSON|body))?$",
    re.IGNORECASE,
)
_AND = re.compile(r"\s*(?:,\s*and\s+|,|\band\b|\bplus\b|、|和|及|以及)\s*", re.IGNORECASE)
_WHOLE = re.compile(
    r"^(?:(?:the|this|that|its|all(?: the)?|whole|entire|complete|same|original|received"
    r"|incoming|full)\s+)*(?:it|them|this|that|these|those|everything|all|body|payload|data"
    r"|json|input|request|order|orders|event|message|messages|item|items|record|records"
    r"|result|results|response|output|outcome|answer|object|content|summary|summaries"
    r"|translation|text|report|list|ticket|lead|submission|invoice|form|file|reply"
    r"|rest|what (?:it (?:receives?|received|gets?|got)|was (?:sent|received)|came in)"
    r"|它|他们|结果|数据|内容|订单|消息|请求|全部|所有数据|原始数据|摘要|总结|翻译|响应)"
    r"(?: all| back)?(?: (?:as|in) (?:json|is|text|a json|plain text).*)?$",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"\b(?:what (?:it|was|came)|original|received|incoming|request|payload|input|body)\b"
    r"|原始|收到的",
    re.IGNORECASE,
)
_BRACES = re.compile(r"\{.*\}", re.DOTALL)
_TEMPLATE = re.compile(r"\{\{?\s*\$?(?:json\.)?([\w.]+)\s*\}?\}")


def read_payload(plain: str, text: Text) -> Value | Mapping[str, Value] | None:
    """What a clause says to send, after `with`, `containing` and so on; None when it does not."""
    if (body := _json_in(text.restore(plain))) is not None:
        return body
    found = _WITH.search(plain) or _HAN_WITH.search(plain)
    return read_what(found["what"], text) if found else None


def read_what(plain: str, text: Text) -> Value | Mapping[str, Value] | None:
    """Some words as a value: a quotation, whole data, or fields by name."""
    words = plain.strip(" .,。，:：")
    if not words or re.search(r"\b(?:token|key|header|auth\w*|method|credentials?)\b", words, re.I):
        return None
    quotes = text.literals(words, "quote", "code")
    bare = re.sub(r"[\ue000-\uf8ff]", "", words).strip()
    if len(quotes) == 1 and len(bare.split()) <= 2 and not re.search(r"field|字段", bare):
        return Constant(_template(quotes[0].value))
    if _WHOLE.match(words):
        return Source.INPUT if _ORIGINAL.search(words) else Source.SUBJECT
    parts = [part for part in _AND.split(words) if part.strip()]
    if len(parts) > 12 or any(len(part.split()) > 5 for part in parts):
        return None
    named = {path: FieldOf(path) for part in parts if (path := field_path(part, text))}
    return {path.rpartition(".")[2]: value for path, value in named.items()} or None


def _template(said: str) -> str:
    """`Hello {name}` as an expression; the words around stay."""
    return _TEMPLATE.sub(lambda found: f"{{{{ $json.{found.group(1)} }}}}", said)


def _json_in(words: str) -> Value | None:
    found = _BRACES.search(words)
    if found is None:
        return None
    try:
        value: Any = json.loads(found.group())
    except ValueError:
        return None
    return Constant(cast("dict[str, Any]", value)) if isinstance(value, dict) else None

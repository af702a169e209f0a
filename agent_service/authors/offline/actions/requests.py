"""Outgoing HTTP: addresses, methods, what is sent, and look-ups whose address was not said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_service.authors.offline.reading import Constant, Http, Source, Step, Value
from agent_service.authors.offline.systems import find_system
from agent_service.authors.offline.text import LITERAL, Text, is_han
from agent_service.authors.offline.values import read_payload

_METHOD = re.compile(r"(?<![\w])(GET|POST|PUT|PATCH|DELETE|HEAD)(?:s|ing|ed)?(?![\w])")
_SENDING = re.compile(
    r"^(?:\w+ly )?(?:post|send|submit|push|forward|deliver|upload|report|publish|hand|pass"
    r"|notify|transmit|create|save|store|write|log|record|add|insert|register)(?:s|ing)?\b"
    r"|\b(?:post|send|push|forward|submit)(?:s|ing)? (?:it|them|this|that|the|a|an)\b"
    r"|(?:把|将)?.*(?:发送|提交|推送|转发|上传|发给|发到|POST|通知|写入|保存)",
    re.IGNORECASE,
)
_PASSIVE = re.compile(r"\b(?:is|are|gets?|be) (?:sent|posted|forwarded|submitted|pushed)\b", re.I)
_CHANGING = (
    ("PUT", re.compile(r"^(?:put|replace|overwrite)s?\b|更新", re.IGNORECASE)),
    ("PATCH", re.compile(r"^(?:patch|update)(?:es|s)?\b", re.IGNORECASE)),
    ("DELETE", re.compile(r"^(?:delete|remove)s?\b|删除", re.IGNORECASE)),
)
_BEARER = re.compile(
    r"\b(?:bearer|access|api)[ -]?(?:token|key)\s*[:=]?\s*(?P<token>[\ue000-\uf8ff]|[\w.-]{12,})",
    re.I,
)
_API = re.compile(
    r"\b(?:api|endpoint|url|web ?page|web ?site|web service|rest|http (?:get |post )?requests?"
    r"|http calls?|(?:get|post|put|patch|delete) requests?|web ?hooks?|servers?)\b"
    r"|接口|网址|网页|网站|服务器|HTTP ?请求",
    re.IGNORECASE,
)
_CALLING = re.compile(
    r"^(?:\w+ly )?(?:call|request|hit|invoke|query|fetch|get|make|send|post|pull"
    r"|download|retrieve|read|scrape|check|use|perform|poll|ping|look)(?:s|es|ing)?\b"
    r"|调用|请求|抓取|获取|发送|访问|爬取",
    re.IGNORECASE,
)
_PROBE = re.compile(
    r"^(?:the |our |my )?(?:(?:web)?site|page|service|server|api|endpoint|url|address"
    rf"|网站|接口|地址)?\s*(?:at |of |from )?(?P<address>{LITERAL})\s*(?P<said>.+)$",
    re.IGNORECASE,
)
_FROM_ADDRESS = re.compile(
    rf"\b(?:from|of)\s+(?:the (?:url|address|page|site) )?{LITERAL}\s*$|从\s*{LITERAL}",
    re.IGNORECASE,
)
_AND = r"\s*(?:,|，|、|&|\band\b|和|以及)+\s*(?:also\s+)?(?:to\s+)?"
_SIDE_BY_SIDE = re.compile(rf"{LITERAL}(?:{_AND}{LITERAL})+", re.IGNORECASE)
_WEB_PAGE = re.compile(
    r"\b(?:extract|read|summari[sz]e|analy[sz]e|parse|crawl|get|take)\w*\b.*\b(?:of|from|on|in) "
    r"(?:the |a |an |this )?(?:web ?page|web ?site|site|page)\b|网页(?:的)?(?:内容|正文|文本)",
    re.IGNORECASE,
)
_LOOKUP = re.compile(
    r"^(?:\w+ly )?(?:fetch|get|pull|download|retrieve|check|query|look(?: up|up)|search(?: for)?"
    r"|scrape|collect|gather|read|load|poll|find|list|crawl|import|monitor|ping)(?:es|s|ing)?\b"
    r"|^(?:从.*)?(?:获取|抓取|拉取|下载|查询|检索|搜索|读取|检查|采集|爬取)",
    re.IGNORECASE,
)
_THIRD_PARTY = re.compile(
    r"^(?:send|post|submit|push|forward|upload|store|save|publish|deliver|sync"
    r"|export|log|record|write|transmit)(?:s|ing)?\b.*\b(?:to|into|in|on)\b"
    r"|(?:保存|存储|写入|记录|同步|导出|上传|发布|推送)(?:到|至)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\{(\w[\w.]*)\}|(?<=/):(\w+)")


def read_request(plain: str, text: Text) -> Step | None:
    """A request whose address, method or API was said."""
    url = text.literal(plain, "url")
    method = _METHOD.search(plain)
    calls_api = bool(_API.search(plain) and _CALLING.search(plain))
    if url is None and (find_system(plain) or not (calls_api or _is_bare_method(method))):
        return None
    if url is None and _is_answer(plain):
        return None
    said = _method(plain, method.group(1) if method else "")
    return Http(
        phrase=text.restore(plain),
        method=said,
        url=_address(url) if url else None,
        body=_body(plain, text, said),
        headers=_headers(plain, text),
        purpose=_purpose(plain, text),
    )


def read_request_to_address(plain: str, text: Text) -> Step | None:
    """A request whose address was said, in whatever grammar."""
    return read_request(plain, text) if text.literal(plain, "url") else None


def read_lookup(plain: str, text: Text) -> Step | None:
    """Data from somewhere, or for somewhere, that was not said: a request without an address."""
    if _LOOKUP.search(plain):
        return Http(text.restore(plain), "GET", None, purpose=_purpose(plain, text))
    if _THIRD_PARTY.search(plain):
        body = read_payload(plain, text) or Source.SUBJECT
        return Http(text.restore(plain), "POST", None, body, purpose=_purpose(plain, text))
    return None


def read_probe(plain: str, text: Text) -> tuple[Http | None, str]:
    """The request that a condition on an address needs: `when https://… does not return 200`.

    Returns:
        The request, if there is one, and the condition about its answer.
    """
    found = _PROBE.match(plain.strip())
    url = text.literal(found["address"], "url") if found else None
    if found is None or url is None:
        return None, plain
    request = Http(text.restore(plain), "GET", _address(url), purpose=_purpose(plain, text))
    return request, f"{'它' if is_han(found['said']) else 'it '}{found['said']}"


def addresses_in(plain: str, text: Text, method: str) -> list[str]:
    """The addresses that a request goes to; of one that sends, those that stand side by side."""
    if method == "GET":
        return [part.value for part in text.literals(plain, "url")]
    found = _SIDE_BY_SIDE.search(plain)
    return [part.value for part in text.literals(found.group(), "url")] if found else []


def fan_out(step: Http, urls: Sequence[str]) -> list[list[Step]]:
    """One request for each of several addresses in the same clause."""
    return [[replace(step, url=_address(url))] for url in urls]


def page_to_fetch(plain: str, text: Text) -> Http | None:
    """The page that `summarize the text of the page` needs first."""
    if not _WEB_PAGE.search(plain):
        return None
    return Http(
        text.restore(plain), "GET", text.literal(plain, "url"), purpose=_purpose(plain, text)
    )


def _is_bare_method(method: "re.Match[str] | None") -> bool:
    """`POST it there`: a method in capitals is an HTTP method."""
    return method is not None and method.start() < 24


def _is_answer(plain: str) -> bool:
    return bool(re.match(r"^(?:reply|respond|return|answer)", plain, re.IGNORECASE))


def _method(plain: str, said: str) -> str:
    if said:
        return said
    if _FROM_ADDRESS.search(plain):
        return "GET"
    for method, pattern in _CHANGING:
        if pattern.search(plain):
            return method
    return "POST" if _SENDING.search(plain) or _PASSIVE.search(plain) else "GET"


def _address(url: str) -> str:
    """The address, with its scheme, and `{id}` as an expression."""
    whole = (
        url
        if "://" in url
        else f"{'http' if url[0].isdigit() or 'local' in url else 'https'}://{url}"
    )
    scheme, _, rest = whole.partition("://")
    filled = _PLACEHOLDER.sub(lambda one: f"{{{{ $json.{one.group(1) or one.group(2)} }}}}", rest)
    return f"{scheme}://{filled}"


def _body(plain: str, text: Text, method: str) -> Value | Mapping[str, Value] | None:
    if method not in ("POST", "PUT", "PATCH"):
        return None
    before, after = _around_address(plain, text)
    said = read_payload(after, text) or read_payload(before, text)
    if said is not None:
        return said
    if quoted := text.literal(before, "quote"):
        return Constant(quoted)
    found = re.search(
        r"\b(?:post|send|submit|push|forward|put|patch|write|log|save|store)(?:s|ing|ed)?\s+"
        r"(?P<what>.+?)\s+(?:to|at|into)\s*$",
        before, re.IGNORECASE,
    )  # fmt: skip
    if found:
        what = re.sub(
            r"^(?:a |an |the )?(?:(?:http|post|put|patch|get) )*requests?\b.*$",
            "",
            found["what"],
            flags=re.I,
        )
        named = _named_fields(what, text)
        if named:
            return named
    return Source.SUBJECT


def _around_address(plain: str, text: Text) -> tuple[str, str]:
    """The words before and after the address."""
    signs = re.finditer(r"[\ue000-\uf8ff]", plain)
    at = next((sign.start() for sign in signs if text.literals(sign.group(), "url")), len(plain))
    return plain[:at], plain[at + 1 :]


def _named_fields(words: str, text: Text) -> dict[str, Value]:
    """`the id and the total` names fields; `the order` does not."""
    payload = read_payload(f"with {words}", text) if re.search(r"\band\b|,|和|、", words) else None
    return dict(payload) if isinstance(payload, Mapping) else {}


def _headers(plain: str, text: Text) -> dict[str, str]:
    found = _BEARER.search(plain)
    return {"authorization": f"Bearer {text.restore(found['token'])}"} if found else {}


def _purpose(plain: str, text: Text) -> str:
    bare = re.sub(r"\s*(?:\b(?:from|to|at|on|via|into|using)\b\s*)?[\ue000-\uf8ff]\s*$", "", plain)
    return text.restore(bare).strip()

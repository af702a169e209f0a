"""What begins a run, as people say it: a webhook, a rhythm, a hand, or something foreign."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_service.authors.offline.reading import (
    ForeignStart,
    ManualStart,
    ScheduleStart,
    Start,
    WebhookStart,
)
from agent_service.authors.offline.schedules import DEFAULT_TIME, find_schedule
from agent_service.authors.offline.systems import find_system
from agent_service.authors.offline.text import Text
from agent_service.authors.offline.verbs import HAN_ACTION

_FLAGS = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class StartFound:
    """What begins a run, and the places of the words that said it."""

    start: Start
    spans: Sequence[tuple[int, int]]


_WHEN = r"(?:when(?:ever)?|once|after|if|as soon as|(?:every|each|any) ?time(?: that)?|on|upon)"
_HTTP_NOUN = (
    r"(?:web ?hooks?|http(?:s)? (?:post |get )?(?:requests?|calls?)|api (?:requests?|calls?)"
    r"|(?:post|get|put|incoming|inbound|http) (?:requests?|calls?)|payloads?|POST|callback)"
)
_ARRIVES = (
    r"(?:arrives?|comes? in|is received|gets? received|is called|gets? called|fires?|is triggered"
    r"|hits?|is sent|lands?|happens|is posted|is hit)"
)
_DOING = (
    r"(?:run|reply|respond|send|fetch|summari[sz]e|classify|translate|ask|wait|save|store|notify"
    r"|return|forward|extract|stop|filter|check|echo|post (?:it|them|the)|add (?:a|the)|set)"
    r"(?:s|es)?\b"
)
_END = (
    r"[^,，.;。\n]*?(?=[,，.;。]|\bthen\b|\band (?:the|its|their)\b"
    rf"|(?<!\bto)(?<!\bthe)(?<!\ba)(?<!\ban)(?:\s+|(?<=\s))(?:and |that |which )?{_DOING}|$)"
)
_WEBHOOK: tuple["re.Pattern[str]", ...] = (
    re.compile(
        rf"\b{_WHEN}\s+(?:(?:a|an|the|any|my|our|new|incoming)\s+)*"
        rf"(?:[\w-]+\s+){{0,2}}?{_HTTP_NOUN}\b{_END}",
        _FLAGS,
    ),
    re.compile(
        rf"\b{_WHEN}\s+(?:i|we|it|the workflow|you)\s+(?:receives?|gets?)\s+"
        rf"(?:(?:a|an|the|any|new|incoming)\s+)*(?:[\w-]+\s+){{0,2}}?{_HTTP_NOUN}\b{_END}",
        _FLAGS,
    ),
    re.compile(
        rf"\b{_WHEN}\s+(?:someone|somebody|anyone|a (?:client|user|customer|caller|system)"
        r"|another system|the (?:client|frontend|app|shop|system)|my \w+|[\w-]+)\s+(?:posts?"
        r"|sends?|calls?|hits?|submits?|makes?|puts?)\b[^,，.;。\n]*?(?:\bto\b\s*[\ue000-\uf8ff]"
        rf"|[\ue000-\uf8ff]|{_HTTP_NOUN}\b|\bas json\b|\bendpoint\b){_END}",
        _FLAGS,
    ),
    re.compile(
        r"(?:当|每当|一旦|如果)?(?:有人|用户|客户|系统)?(?:收到|接收到?|有|来了?"
        r"|触发)(?:一个|一条|新的?|来自[^,，]*?的)*[^,，。\n]*?(?:web ?hook"
        r"|网络钩子|(?:http|post|get)?\s*请求|回调)[^,，。\n]*?(?:时候?|后|到达|,|，|。|$)",
        _FLAGS,
    ),
    re.compile(
        r"(?:当|每当)?(?:有人|用户|客户|系统|前端)(?:向|往)?\s*[\ue000-\uf8ff]?\s*(?:POST|post"
        r"|提交|发送)[^,，。\n]*?(?:时候?|后|,|，)",
        0,
    ),
    re.compile(
        r"\b(?:receiv(?:es?|ing)|accept(?:s|ing)?|get(?:s|ting)?|tak(?:es?|ing)"
        r"|ingest(?:s|ing)?|listen(?:s|ing)?(?: for)?)\s+(?:(?:a|an|the|any|new|incoming)\s+)*"
        rf"(?:[\w-]+\s+){{0,3}}?{_HTTP_NOUN}\b(?:\s+(?:post|get|put|calls?|requests?))?"
        rf"(?:\s+(?:with|containing|at|on|to|from|for)\b{_END})?",
        _FLAGS,
    ),
    re.compile(
        r"\bweb ?hook (?:workflow|endpoint|flow|automation|trigger|api)?\s*(?:that|which|to)?\s*"
        rf"(?:receives?|accepts?|takes?|gets?)?{_END}",
        _FLAGS,
    ),
)
"""Says plainly that a request begins the run."""
_MENTIONED: tuple["re.Pattern[str]", ...] = (
    re.compile(
        r"\b(?:(?:triggered|started|called|invoked|exposed|available) (?:by|via|through|from"
        r"|over|as) (?:a |an )?(?:simple )?(?:http (?:requests?|calls?)|api (?:calls?|requests?))"
        rf"|(?:by|via|through|from|using|over|with) (?:a |an )?(?:simple )?web ?hooks?){_END}",
        _FLAGS,
    ),
    re.compile(r"\b(?:web ?hooks?|webhook[ -]triggered)\b(?: trigger)?:?", _FLAGS),
    re.compile(
        r"\b(?:expose|provide|offer|serve|build|create|make)s?\s+(?:a|an)\s+"
        r"(?:(?:simple|small|rest|http|json)\s+)*(?:api|endpoint)s?(?: endpoint)?\b"
        r"(?:\s+(?:that|which|to|for|at|where|returning)\b)?",
        _FLAGS,
    ),
    re.compile(
        r"(?:通过|由|使用)?\s*(?:web ?hook|网络钩子)\s*(?:触发|接收|启动)?(?:的?时候?|后)?", _FLAGS
    ),
)
"""Mentions a webhook or an API that others call."""
_ARRIVAL = re.compile(
    rf"\b{_WHEN}\s+(?:(?:a|an|the|any|new|incoming|each|every)\s+)+(?P<what>[\w-]+"
    rf"(?: [\w-]+){{0,2}}?)\s+(?:{_ARRIVES}|is (?:placed|created|submitted|made|added"
    rf"|registered|completed|paid)|(?:signs?|checks?) (?:up|out)|registers?|subscribes?){_END}"
    r"|(?:当|每当|一旦)?(?:收到|接到|有|来了)(?:一个|一条|一笔|新的?|客户的?"
    r"|用户的?)*(?P<han>订单|消息|请求|表单|数据|通知|支付|付款|线索|工单|评论|用户注册)"
    rf"(?:到达|进来)?(?:的?时候?|之?后|就)?\s*(?=[,，。]|$|{HAN_ACTION}|如果|若|由|POST)",
    _FLAGS,
)
_MANUAL = re.compile(
    r"\b(?:(?:on|with|by|using|via) (?:a )?)?manual(?:ly)?"
    r"(?:[ -](?:trigger(?:ed)?|start(?:ed)?|run|execution))?(?: it)?\b|\b(?:when|whenever"
    r"|once|if) i (?:click|press|push|hit|run|start|execute|trigger|ask|say)\b[^,.\n]*"
    r"|\bon demand\b|\bby hand\b|\bat the (?:click|push) of a button\b|\bbutton (?:click|press)\b"
    r"|手动(?:触发|运行|执行|启动)?|点击(?:按钮)?(?:时|后)?|按需(?:运行|执行)?",
    _FLAGS,
)
_FOREIGN = re.compile(
    rf"\b{_WHEN}\s+[^,，.;。\n]*?(?:e-?mails?|messages?|mentions?|rows?|records?|files?"
    r"|documents?|issues?|tickets?|comments?|posts?|videos?|events?|forms?|contacts?|leads?"
    r"|deals?|cards?|tasks?|reviews?|pull requests?|commits?|attachments?|submissions?"
    r"|invoices?|payments?|feeds?|items?|photos?|pages?)\b[^,，.;。\n]*?(?=[,，.;。]|\bthen\b|$)"
    r"|(?:当|每当)[^,，。\n]*?(?:时候?|后)(?=[,，。]|$)",
    _FLAGS,
)
_INPUT = re.compile(
    r"\((?:the )?(?:variables?|inputs?|parameters?|named?)\s*:?\s*(?P<names>[\w\s,]+?)\)"
    r"|[（(](?:变量|输入|参数)\s*(?P<han>[\w\s,、]+?)[)）]",
    _FLAGS,
)
_AS_INPUT = re.compile(
    r"\b(?:takes?|accepts?|given|asks? for|with|needs?)\s+(?P<names>"
    r"(?:(?:a|an|the)\s+\w+(?:\s*,\s*|\s+and\s+)?)+)\s*(?:\([^)]*\)\s*)?as (?:an? )?inputs?\b",
    _FLAGS,
)
_PROVIDES = re.compile(
    r"\b(?:user|users|person|caller|i|we)\s+(?:will |would |can |should |additionally |also )*"
    r"(?:provides?|enters?|inputs?|gives?|suppl(?:y|ies)|uploads?|submits?|types?)\b"
    r"|\binputs?\b\s*[:：]|用户(?:提供|输入|上传)",
    _FLAGS,
)
_METHODS = re.compile(r"(?<![\w])(GET|POST|PUT|PATCH|DELETE)(?:s|ed|ing)?\b")
_SUBJECT = re.compile(
    r"\b(?:with|containing|carrying|for|about|of|receives?|accepts?|posts?|sends?|submits?)\s+"
    r"(?:(?:a|an|the|new|incoming|some|their|its)\s+)*(?P<what>[a-z][\w-]*(?: [a-z][\w-]*)?)",
    _FLAGS,
)
_NO_SUBJECT = frozenset({
    "post", "get", "put", "json", "request", "requests", "webhook", "webhooks", "http", "body",
    "data", "payload", "call", "to", "it", "api", "and", "message", "content", "text", "workflow",
    "trigger", "id", "field", "fields", "json body", "post request", "simple", "fast", "real",
    "your", "my", "this",
})  # fmt: skip
_MONITOR = re.compile(
    r"\b(?:monitor(?:s|ing|ed)?|track(?:s|ing)?|watch(?:es|ing)? (?:for|over)|periodic(?:ally)?"
    r"|regularly|continuous(?:ly)?|recurring|scheduled|on (?:a )?schedule|keeps? (?:an eye|track)"
    r"|automat(?:ed|ic) (?:reports?|digests?|backups?|checks?)|reminders?|digest|daily"
    r"|up[- ]to[- ]date)\b|监控|定期|定时|周期性?|跟踪",
    _FLAGS,
)


def find_start(text: Text) -> StartFound:
    """What begins a run: what was said most plainly counts."""
    plain = text.plain
    for finder in (_webhook, _schedule, _arrival, _mentioned_webhook, _foreign, _manual):
        if found := finder(text):
            return found
    inputs = _inputs(plain)
    if inputs or _PROVIDES.search(plain):
        return StartFound(ManualStart(inputs=inputs), ())
    if hint := _MONITOR.search(plain):
        rules = [{"unit": "days", "at": DEFAULT_TIME}]
        assumed = [f"time:{DEFAULT_TIME}"]
        start = ScheduleStart(hint.group(), rules, open_time=True, assumed=assumed)
        return StartFound(start, ())
    return StartFound(ManualStart(said=False), ())


def _webhook(text: Text) -> StartFound | None:
    return _first_webhook(text, _WEBHOOK)


def _mentioned_webhook(text: Text) -> StartFound | None:
    """A webhook that is merely mentioned, by a text that names no rhythm."""
    return _first_webhook(text, _MENTIONED)


def _first_webhook(text: Text, patterns: Sequence["re.Pattern[str]"]) -> StartFound | None:
    for pattern in patterns:
        for found in pattern.finditer(text.plain):
            if not _is_outgoing(text, found):
                return StartFound(_webhook_of(text, found.group()), [found.span()])
    return None


def _is_outgoing(text: Text, found: "re.Match[str]") -> bool:
    """Whether the words are about a request that the workflow sends, as in `call the webhook`."""
    before, after = text.plain[: found.start()], text.plain[found.end() : found.end() + 5]
    sent = re.search(
        r"\b(?:send|make|issue|call|fire|post|hit|do)(?:s|ing)?\s+(?:\w+\s+){0,2}$", before
    )
    return bool(sent or text.literals(found.group(), "url") or text.literals(after, "url"))


def _webhook_of(text: Text, words: str) -> WebhookStart:
    path = text.literal(words, "path") or ""
    methods = list(dict.fromkeys(_METHODS.findall(words)))
    fields = [
        part.value.strip("/") for part in text.literals(words, "quote") if part.value.isidentifier()
    ]
    return WebhookStart(
        phrase=text.restore(words).strip(),
        path=path.strip("/").replace(":", "").replace("{", "").replace("}", ""),
        methods=methods,
        subject=_subject_of(words),
        fields=fields,
    )


def _subject_of(words: str) -> str:
    for found in _SUBJECT.finditer(words):
        what = found["what"].lower()
        first = what.split()[0]
        if what not in _NO_SUBJECT and first not in _NO_SUBJECT:
            return first if what.split()[-1] in ("as", "to", "with", "from", "in") else what
        if first not in _NO_SUBJECT:
            return first
    return ""


def _schedule(text: Text) -> StartFound | None:
    found = find_schedule(text.plain)
    if found is None:
        return None
    return StartFound(found.start, list(found.spans))


def _arrival(text: Text) -> StartFound | None:
    """`when a new order is placed`: whoever has the order must call a webhook."""
    found = _ARRIVAL.search(text.plain)
    if found is None or find_system(found.group()):
        return None
    subject = (found["what"] or found["han"]).split()[-1].lower()
    start = replace(_webhook_of(text, found.group()), subject=subject)
    return StartFound(start, [found.span()])


def _foreign(text: Text) -> StartFound | None:
    for found in _FOREIGN.finditer(text.plain):
        system = find_system(found.group())
        if system is not None:
            phrase = text.restore(found.group()).strip()
            return StartFound(ForeignStart(phrase, system.name), [found.span()])
    return None


def _manual(text: Text) -> StartFound | None:
    found = _MANUAL.search(text.plain)
    if found is None:
        return None
    start = ManualStart(text.restore(found.group()).strip(), _inputs(text.plain))
    return StartFound(start, [found.span()])


def _inputs(plain: str) -> list[str]:
    """Names of inputs that the text gives in brackets: `(variable topic)`."""
    names: list[str] = []
    if said := _AS_INPUT.search(plain):
        return re.findall(r"\b(?:a|an|the)\s+(\w+)", said["names"], _FLAGS)
    provided = _PROVIDES.search(plain)
    if provided is None:
        return names
    sentence_end = re.search(r"[.!?。](?:\s|$)", plain[provided.start() :])
    end = provided.start() + sentence_end.start() if sentence_end else len(plain)
    for found in _INPUT.finditer(plain, provided.start(), end):
        said = re.split(r"[\s,、]+|and\b", found["names"] or found["han"])
        names.extend(name for name in said if re.fullmatch(r"[A-Za-z_]\w{0,63}", name))
    return list(dict.fromkeys(names))

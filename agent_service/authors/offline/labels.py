"""What steps are called: the names of nodes, in the person's language, and slugs for their ids."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from agent_service.authors.offline.reading import (
    Ai,
    Answer,
    Ask,
    Branch,
    Choice,
    Code,
    Connect,
    FieldOf,
    Foreign,
    ForeignStart,
    Http,
    Keep,
    Loop,
    Mail,
    ManualStart,
    Pause,
    ScheduleStart,
    SetFields,
    Split,
    Start,
    Step,
    Stop,
    Together,
    WebhookStart,
)

_LENGTH = 60
_AI = {
    "summarize": ("Summarize", "总结"),
    "translate": ("Translate", "翻译"),
    "classify": ("Classify", "分类"),
    "extract": ("Extract", "提取"),
    "rewrite": ("Rewrite", "改写"),
    "judge": ("Judge", "判断"),
    "write": ("Write", "撰写"),
    "ask": ("Ask the model", "询问模型"),
}
_FIXED: Mapping[type[object], tuple[str, str]] = {
    Ask: ("Ask for approval", "请求审批"),
    Answer: ("Reply", "回复"),
    Stop: ("Stop with an error", "报错停止"),
    Code: ("Run code", "运行代码"),
    Split: ("Split the list", "拆分列表"),
    Loop: ("For each", "逐个处理"),
    Together: ("Merge", "合并"),
}
_UNITS = (
    (86_400, "days", "天"),
    (3_600, "hours", "小时"),
    (60, "minutes", "分钟"),
    (1, "seconds", "秒"),
)


def start_label(start: Start, language: str) -> str:
    """What a trigger is called."""
    chinese = language == "zh"
    match start:
        case WebhookStart():
            return "Webhook"
        case ScheduleStart():
            return "定时" if chinese else "Schedule"
        case ManualStart() | ForeignStart():
            return "开始" if chinese else "Start"


def step_label(step: Step, language: str) -> str:
    """What a step is called, in few words."""
    place = 1 if language == "zh" else 0
    if type(step) in _FIXED:
        return _FIXED[type(step)][place]
    return short(_label(step, place))


def _label(step: Step, place: int) -> str:
    match step:
        case Http():
            return _http_label(step)
        case Ai():
            return _AI[step.task][place]
        case SetFields():
            names = ", ".join(step.fields)
            return short(
                f"{('Set', '设置')[place]} {names}" if names else ("Set fields", "设置字段")[place]
            )
        case Pause():
            amount, unit, han = pause_of(step.seconds)
            return (f"Wait {amount:g} {unit}", f"等待{amount:g}{han}")[place]
        case Keep():
            return f"{('Keep if', '保留')[place]} {step.condition.phrase}"
        case Branch():
            return f"{('If', '如果')[place]} {step.condition.phrase}"
        case Choice():
            by = step.by.path if isinstance(step.by, FieldOf) else ""
            return (f"By {by}", f"按{by}分流")[place]
        case Mail():
            return short(f"{('E-mail to', '发邮件给')[place]} {', '.join(step.to)}")
        case Foreign() | Connect():
            return f"{step.system}: {step.phrase}" if step.system else step.phrase
        case _:
            return step.phrase


def _http_label(step: Http) -> str:
    host = urlsplit(step.url).netloc if step.url else ""
    return f"{step.method} {host}" if host else step.purpose or step.method


def pause_of(seconds: float) -> tuple[float, str, str]:
    """A span in its largest whole unit: amount, English and Chinese unit."""
    for size, unit, han in _UNITS:
        if seconds >= size and seconds % size == 0:
            return seconds / size, unit, han
    return seconds, "seconds", "秒"


def short(words: str) -> str:
    """Some words, cut to the length of a name."""
    text = " ".join(words.split())
    text = text[:1].upper() + text[1:]
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1].rstrip() + "…"


def slug(words: str, fallback: str) -> str:
    """Some words as an id."""
    bare = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    bare = re.sub(r"^[^a-z]+", "", bare)[:40].strip("_")
    return bare or fallback

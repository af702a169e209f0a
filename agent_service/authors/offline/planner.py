"""A reading in plain words: what begins a run, what happens then, what it takes and costs."""

from collections.abc import Mapping, Sequence

from agent_service.authors.offline.labels import step_label
from agent_service.authors.offline.reading import (
    Ai,
    Answer,
    Arrange,
    Ask,
    Branch,
    Choice,
    Code,
    Connect,
    Fan,
    Foreign,
    ForeignStart,
    Http,
    Ignore,
    Keep,
    Loop,
    Mail,
    ManualStart,
    Pause,
    Reading,
    ScheduleStart,
    SetFields,
    Split,
    Start,
    Step,
    Stop,
    Together,
    Unmatched,
    WebhookStart,
    walk,
)
from agent_service.catalogue import Catalogue
from shared.session_events import Plan, PlanStep
from shared.workflow import JsonObject

NODE_TYPES: Mapping[type[object], str] = {
    Http: "http.request",
    Ask: "human.approval",
    Ai: "ai.chat",
    SetFields: "data.set",
    Pause: "flow.wait",
    Answer: "flow.respond",
    Stop: "flow.stop",
    Keep: "flow.filter",
    Code: "code.javascript",
    Split: "code.javascript",
    Mail: "email.send",
    Branch: "flow.if",
    Choice: "flow.switch",
    Loop: "flow.loop",
    Together: "flow.merge",
}
"""Which node type does what."""

_DAYS_HAN = {
    "monday": "周一", "tuesday": "周二", "wednesday": "周三", "thursday": "周四", "friday": "周五",
    "saturday": "周六", "sunday": "周日",
}  # fmt: skip
_UNITS_HAN = {
    "seconds": "秒", "minutes": "分钟", "hours": "小时", "days": "天", "weeks": "周",
    "months": "个月",
}  # fmt: skip


def plan_of(reading: Reading, catalogue: Catalogue) -> Plan:
    """The plan that a reading makes."""
    chinese = reading.language == "zh"
    steps = _steps(reading.steps, reading.language, 0, catalogue)
    models = sum(isinstance(step, Ai) for step in walk(reading.steps))
    return Plan(
        title=reading.title,
        trigger=describe_start(reading.start, chinese=chinese),
        steps=steps,
        credentials=_credentials(reading, chinese=chinese),
        assumptions=[describe_assumption(one, chinese=chinese) for one in reading.assumptions],
        estimate=_estimate(models, chinese=chinese),
    )


def _steps(
    steps: Sequence[Step], language: str, depth: int, catalogue: Catalogue
) -> list[PlanStep]:
    planned: list[PlanStep] = []
    for step in steps:
        named = isinstance(step, Arrange | Connect)
        node_type = step.node_type if named else NODE_TYPES.get(type(step), "")
        if not isinstance(step, Ignore | Fan):
            planned.append(
                PlanStep(
                    text=_text_of(step, language),
                    node_type=node_type if node_type in catalogue else "",
                    depth=depth,
                )
            )
        for title, inner in _ways(step, language):
            if title:
                planned.append(PlanStep(text=title, depth=depth))
            planned.extend(_steps(inner, language, depth + 1, catalogue))
    return planned


def _ways(step: Step, language: str) -> list[tuple[str, Sequence[Step]]]:
    """The steps inside of a step, each list with its title."""
    otherwise = "否则" if language == "zh" else "Otherwise"
    match step:
        case Branch():
            second = [(otherwise, step.otherwise)] if step.otherwise else []
            return [("", step.then), *second]
        case Choice():
            cases = [(str(case.value), case.steps) for case in step.cases]
            return [*cases, *([(otherwise, step.default)] if step.default else [])]
        case Loop():
            return [("", step.steps)]
        case Fan():
            return [("", way) for way in step.ways]
        case _:
            return []


def _text_of(step: Step, language: str) -> str:
    match step:
        case Branch() | Choice() | Keep() | Pause() | Ask() | Together() | Loop() | Mail():
            return step_label(step, language)
        case Http() if step.url:
            return f"{step.method} {step.url}"
        case Foreign() | Unmatched():
            return f"“{step.phrase}”"
        case _:
            return step.phrase[:1].upper() + step.phrase[1:]


def describe_start(start: Start, *, chinese: bool) -> str:
    """What begins a run, in words."""
    match start:
        case WebhookStart():
            methods = " / ".join(start.methods) or "POST"
            path = f" /{start.path}" if start.path else ""
            return f"收到 {methods} 请求{path}" if chinese else f"A {methods} request arrives{path}"
        case ScheduleStart():
            said = [describe_rule(rule, chinese=chinese) for rule in start.rules]
            zone = f" ({start.timezone})" if start.timezone else ""
            return ("；" if chinese else "; ").join(said) + zone
        case ManualStart():
            inputs = ", ".join(start.inputs)
            words = "手动启动" if chinese else "Started by hand"
            return f"{words}: {inputs}" if inputs else words
        case ForeignStart():
            return f"“{start.phrase}”"


def describe_rule(rule: JsonObject, *, chinese: bool) -> str:
    """A rule of `trigger.schedule` in words."""
    if "cron" in rule:
        return f"cron {rule['cron']}"
    every, unit = rule.get("every", 1), rule.get("unit", "days")
    at = rule.get("at", "")
    days: list[str] = rule.get("weekdays", [])
    if chinese:
        on = "、".join(_DAYS_HAN[day] for day in days) if days else ""
        day = f"第 {rule['day_of_month']} 天" if "day_of_month" in rule else ""
        return f"每{every if every > 1 else ''}{_UNITS_HAN[unit]} {on}{day} {at}".strip()
    each = f"Every {every} {unit}" if every > 1 else f"Every {unit.removesuffix('s')}"
    on = f" on {', '.join(day.capitalize() for day in days)}" if days else ""
    month_day = f" on day {rule['day_of_month']}" if "day_of_month" in rule else ""
    return f"{each}{on}{month_day}{f' at {at}' if at else ''}"


def describe_assumption(code: str, *, chinese: bool) -> str:
    """An assumption that a reading made, in words."""
    kind, _, value = code.partition(":")
    if kind == "time":
        return (
            f"没有说具体时间，按 {value} 执行。"
            if chinese
            else f"No time was given: {value} it is."
        )
    return code


def _credentials(reading: Reading, *, chinese: bool) -> list[str]:
    needed: list[str] = []
    if any(isinstance(step, Ai) for step in walk(reading.steps)):
        needed.append("语言模型的密钥" if chinese else "A key for a language model")
    for step in walk(reading.steps):
        if isinstance(step, Connect):
            words = f"{step.system} 的凭证 ({step.credential})"
            said = words if chinese else f"A credential for {step.system} ({step.credential})"
            needed += [] if said in needed else [said]
    return needed


def _estimate(models: int, *, chinese: bool) -> str:
    if not models:
        return (
            "每次运行不产生模型费用。"
            if chinese
            else "A run costs nothing but the requests it makes."
        )
    if chinese:
        return f"每次运行每个条目调用模型 {models} 次。"
    return f"A run calls a language model {models} time{'s' if models > 1 else ''} for each item."

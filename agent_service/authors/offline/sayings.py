"""What to tell the person on each occasion, in Markdown, in English and Chinese."""

from collections.abc import Callable, Mapping, Sequence

from agent_service.author import (
    Asking,
    Declining,
    Delivering,
    Explaining,
    NamingGaps,
    NotUnderstanding,
    Occasion,
)
from agent_service.authors.offline.explanations import explain
from shared.session_events import Gap, Plan, Question

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "asking": "One thing first:",
        "asking_more": "A few things first:",
        "plan": "This is the plan:",
        "gap": "There is no node for **{system}** (“{phrase}”). What can be done instead:",
        "gap_taken": "There is no node for **{system}** (“{phrase}”). {way}: {trade_off}",
        "created": "I made **{name}**.",
        "changed": "I changed **{name}**: {changes}.",
        "effects": "A run would do this:",
        "assumed": "I took for granted:",
        "unmatched": "Still to be filled in: {nodes}.",
        "findings": "The check still finds:",
        "trial": "A trial run stopped: {error}",
        "activate": "It is not live yet; activate it when you are content.",
        "declining": "All right, nothing was built. Say so when you want something else.",
        "lost": "I did not find anything to build in that. Say what should start it, such as "
        "“every "
        "weekday at 9” or “when a webhook arrives”, and what should happen then.",
        "lost_wish": "I could not tell how to change the workflow for: {wishes}. Try it in other "
        "words, such as “make it 10:30” or “also post the result to https://…”.",
    },
    "zh": {
        "asking": "先确认一点：",
        "asking_more": "先确认几点：",
        "plan": "计划如下：",
        "gap": "目前没有 **{system}** 的节点（“{phrase}”）。可以这样代替：",
        "gap_taken": "目前没有 **{system}** 的节点（“{phrase}”）。{way}：{trade_off}",
        "created": "已创建 **{name}**。",
        "changed": "已修改 **{name}**：{changes}。",
        "effects": "运行一次会做这些事：",
        "assumed": "我默认了：",
        "unmatched": "还需要补充：{nodes}。",
        "findings": "检查仍发现：",
        "trial": "试运行中断：{error}",
        "activate": "它还没有启用；确认无误后请激活。",
        "declining": "好的，没有创建任何内容。需要别的时候再告诉我。",
        "lost": "我没有找到可以构建的内容。请说明什么时候开始（例如“每个工作日早上九点”或“收到 "
        "webhook 时”），以及之后做什么。",
        "lost_wish": "我不知道该如何修改：{wishes}。请换个说法，例如“改成 10:30”或“同时把结果发到 "
        "https://…”。",
    },
}


def say(occasion: Occasion, language: str) -> str:
    """The words for an occasion."""
    texts = _TEXTS.get(language, _TEXTS["en"])
    match occasion:
        case Asking():
            return _asking(occasion, texts)
        case NamingGaps():
            return "\n\n".join(_gap(one, texts, asking=occasion.asking) for one in occasion.gaps)
        case Delivering():
            return _delivering(occasion, texts, language)
        case Declining():
            return texts["declining"]
        case NotUnderstanding() if occasion.wishes:
            return texts["lost_wish"].format(wishes=_quoted(occasion.wishes, language))
        case NotUnderstanding():
            return texts["lost"]
        case Explaining():
            return explain(occasion.definition, occasion.failed_run, language)


def _asking(occasion: Asking, texts: Mapping[str, str]) -> str:
    parts = [_plan(occasion.plan, texts)] if occasion.plan else []
    many = len(occasion.questions) > 1
    if not occasion.plan:
        parts.append(texts["asking_more" if many else "asking"])
    parts.append("\n".join(_question(one) for one in occasion.questions))
    return "\n\n".join(parts)


def _question(question: Question) -> str:
    choices = "".join(f"\n  - {one.label}" for one in question.choices)
    return f"- {question.text}{choices}"


def _plan(plan: Plan, texts: Mapping[str, str]) -> str:
    lines = [f"{'  ' * one.depth}- {one.text}" for one in plan.steps]
    return "\n".join([texts["plan"], "", f"**{plan.trigger}**", "", *lines])


def _gap(gap: Gap, texts: Mapping[str, str], *, asking: bool) -> str:
    if not asking:
        first = gap.alternatives[0]
        return texts["gap_taken"].format(
            system=gap.system, phrase=gap.phrase, way=first.label, trade_off=first.trade_off
        )
    ways = "\n".join(f"- **{one.label}**: {one.trade_off}" for one in gap.alternatives)
    return f"{texts['gap'].format(system=gap.system, phrase=gap.phrase)}\n\n{ways}"


def _delivering(done: Delivering, texts: Mapping[str, str], language: str) -> str:
    name = done.definition.get("name", "")
    comma = "、" if language == "zh" else ", "
    opening = (
        texts["created"].format(name=name)
        if done.created
        else texts["changed"].format(name=name, changes=comma.join(done.changes))
    )
    parts = [opening]
    add: Callable[[str, Sequence[str]], None] = lambda key, rows: (  # noqa: E731 (a closure)
        parts.append(_listed(texts[key], rows)) if rows else None
    )
    add("effects", done.effects)
    add("assumed", done.assumptions)
    names = [
        node["name"] for node in done.definition.get("nodes", []) if node["id"] in done.unmatched
    ]
    if names:
        parts.append(texts["unmatched"].format(nodes=_quoted(names, language)))
    add("findings", [one.message for one in done.findings if one.code != "trial_failed"])
    if done.trial_error:
        parts.append(texts["trial"].format(error=done.trial_error))
    if done.created:
        parts.append(texts["activate"])
    return "\n\n".join(parts)


def _listed(title: str, rows: Sequence[str]) -> str:
    return "\n".join([title, "", *(f"- {row}" for row in rows)])


def _quoted(words: Sequence[str], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(f"“{one}”" for one in words)

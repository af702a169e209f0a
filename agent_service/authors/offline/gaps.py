"""What was asked for and no node type does, with ways around it.

A gap's id follows from its place, as the ids of open points do. The way that leaves a marked place
comes last in a talk and is what `auto` takes, since it makes nothing up.
"""

from collections.abc import Sequence

from agent_service.authors.offline.openings import gap_id
from agent_service.authors.offline.reading import Foreign, ForeignStart, Reading, walk
from agent_service.authors.offline.systems import API_HINTS
from shared.session_events import Alternative, Gap

_WAYS = {
    "en": {
        "placeholder": (
            "Leave a marked place",
            "The rest works at once; you put the step in later.",
        ),
        "http": (
            "Call its HTTP API: answer with the address",
            "Works with nearly every service; you need {hint}.",
        ),
        "skip": ("Leave it out", "The simplest; nobody is told and nothing is stored there."),
        "webhook": (
            "Let {system} call a webhook",
            "Immediate; {system}, or a service between, must be set up to call it.",
        ),
        "schedule": (
            "Look every 15 minutes",
            "Needs nothing from {system} but its API; comes up to 15 minutes late.",
        ),
        "manual": ("Start it by hand", "Nothing to set up; somebody must remember."),
        "hint": "its address and a key",
        "notice": "a way to notify people",
    },
    "zh": {
        "placeholder": ("留一个标记的位置", "其余部分马上可用；这一步以后再补。"),
        "http": ("调用它的 HTTP 接口：请回复地址", "几乎所有服务都可以；需要{hint}。"),
        "skip": ("不要这一步", "最简单；不会通知或保存到那里。"),
        "webhook": ("让 {system} 调用 webhook", "即时；需要在 {system} 或中间服务里设置。"),
        "schedule": ("每 15 分钟检查一次", "只需要 {system} 的接口；最多晚 15 分钟。"),
        "manual": ("手动启动", "不用设置；要有人记得。"),
        "hint": "接口地址和密钥",
        "notice": "通知方式",
    },
}
_START_WAYS = ("webhook", "schedule", "manual")
_STEP_WAYS = ("placeholder", "http", "skip")


def find_gaps(reading: Reading) -> Sequence[Gap]:
    """The gaps of a reading whose way around is not chosen yet."""
    gaps: list[Gap] = []
    start = reading.start
    if isinstance(start, ForeignStart):
        ways = _alternatives(start.system, _START_WAYS, reading.language)
        gaps.append(Gap(id=gap_id(0), system=start.system, phrase=start.phrase, alternatives=ways))
    foreign = [step for step in walk(reading.steps) if isinstance(step, Foreign)]
    for place, step in enumerate(foreign, 1):
        ways = _alternatives(step.system, _STEP_WAYS, reading.language)
        system = step.system or str(_texts(reading.language)["notice"])
        gaps.append(Gap(id=gap_id(place), system=system, phrase=step.phrase, alternatives=ways))
    return gaps


def _texts(language: str) -> dict[str, str | tuple[str, str]]:
    return _WAYS.get(language, _WAYS["en"])


def _alternatives(system: str, ways: Sequence[str], language: str) -> list[Alternative]:
    texts = _texts(language)
    hint = API_HINTS.get(system, texts["hint"]) if language != "zh" else texts["hint"]
    made: list[Alternative] = []
    for way in ways:
        label, trade_off = texts[way]
        made.append(
            Alternative(
                id=way,
                label=label.format(system=system),
                trade_off=trade_off.format(system=system, hint=hint),
            )
        )
    return made

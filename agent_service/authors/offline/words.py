"""What the offline author says: every sentence of its own, in English and Chinese."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ANSWER = "{{ $json.data.answer }}"


@dataclass(frozen=True, slots=True)
class Words:
    """One language's sentences. Functions fill in what differs."""

    judged: str
    judge_label: str
    refused_label: str
    refused: str
    approve: Callable[[str], str]
    placeholder: Callable[[str], str]
    no_address: Callable[[str], str]
    no_condition: Callable[[str], str]
    assumed_address: Callable[[str], str]
    unused: Callable[[str], str]
    unreached: Callable[[str], str]
    nobody_waits: str
    nothing_to_merge: str


_ENGLISH = Words(
    judged=_ANSWER,
    judge_label="Judge",
    refused_label="Reply: not approved",
    refused="When approval is refused, the caller is answered with status 403.",
    approve=lambda subject: f"Approve this {subject}?" if subject else "May this go on?",
    placeholder=lambda phrase: f"To be done here: “{phrase}”. No node type fits; put one in.",
    no_address=lambda purpose: f"The address for “{purpose}” was not given; put it in.",
    no_condition=lambda phrase: f"When does “{phrase}” hold? Put it in; until then it never does.",
    assumed_address=lambda purpose: (
        f"No address is known for “{purpose}”: a placeholder that leads nowhere stands in for it."
    ),
    unused=lambda phrase: f"Nothing was made of “{phrase}”.",
    unreached=lambda phrase: f"“{phrase}” was left out: nothing goes on to that point.",
    nobody_waits="Nobody waits for a reply: the run's result is what its last step gives.",
    nothing_to_merge="There is but one way, so there is nothing to bring together.",
)
_CHINESE = Words(
    judged=_ANSWER,
    judge_label="判断",
    refused_label="回复：未批准",
    refused="如果未获批准，调用方会收到状态码 403。",
    approve=lambda subject: f"是否批准该{subject}？" if subject else "是否继续？",
    placeholder=lambda phrase: f"这里需要：“{phrase}”。没有合适的节点，请补上。",
    no_address=lambda purpose: f"没有提供“{purpose}”的地址，请填写。",
    no_condition=lambda phrase: f"“{phrase}”该如何判断？请填写；在此之前它不成立。",
    assumed_address=lambda purpose: f"不知道“{purpose}”的地址：暂时用一个无效的占位地址代替。",
    unused=lambda phrase: f"没有用到“{phrase}”。",
    unreached=lambda phrase: f"没有加入“{phrase}”：流程走不到那里。",
    nobody_waits="没有人在等待回复：运行的结果就是最后一步的输出。",
    nothing_to_merge="只有一条路径，不需要合并。",
)
_BY_LANGUAGE: Mapping[str, Words] = {"en": _ENGLISH, "zh": _CHINESE}


def words_for(language: str) -> Words:
    """The sentences of a language; English where there are none."""
    return _BY_LANGUAGE.get(language, _ENGLISH)

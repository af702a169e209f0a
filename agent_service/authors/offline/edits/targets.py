"""Which node a person means: `the approval`, `the request to example.com`, `“Reply”`, 审批."""

import re
from collections.abc import Sequence

from agent_service.authors.offline.text import Text
from shared.workflow import JsonObject

_WORDS: tuple[tuple[str, str], ...] = (
    ("human.approval", r"approvals?|sign-?off|consent|confirmation|asking me|审批|批准|确认|审核"),
    ("flow.wait", r"waits?|waiting|delays?|pauses?|等待|延迟|暂停"),
    ("ai.chat", r"summar\w+|classif\w+|translat\w+|extract\w*|ai(?: step)?|model|llm|prompt"
                r"|总结|摘要|分类|翻译|提取|模型"),
    ("flow.respond", r"repl(?:y|ies|ying)|respon(?:d|se|ding)|answer(?:ing)?|回复|返回|响应"),
    ("flow.filter", r"filters?|过滤|筛选"),
    ("flow.if", r"conditions?|checks?|if|branch(?:es)?|条件|判断|分支"),
    ("flow.switch", r"switch|rout(?:e|es|ing)|分流"),
    ("flow.loop", r"loops?|循环"),
    ("flow.merge", r"merges?|合并"),
    ("code.javascript", r"code|scripts?|代码|脚本"),
    ("data.set", r"set(?: fields)?|fields?|字段"),
    ("http.request", r"requests?|posts?|posting|calls?|fetch(?:es|ing)?|http|url|address|api"
                     r"|请求|调用|接口|地址"),
    ("flow.stop", r"stops?|error|停止"),
    ("trigger.schedule", r"schedule|timer|定时"),
    ("trigger.webhook", r"web ?hook|endpoint|hook"),
)  # fmt: skip


def nodes_of(definition: JsonObject, *node_types: str) -> list[JsonObject]:
    """The nodes of some types, in order."""
    return [node for node in definition.get("nodes", []) if node["type"] in node_types]


def find_node(words: str, text: Text, definition: JsonObject) -> JsonObject | None:
    """The node that some words mean, if they mean just one or the first of its kind."""
    return _by_literal(words, text, definition) or _by_words(words, text, definition)


def _by_literal(words: str, text: Text, definition: JsonObject) -> JsonObject | None:
    """The node whose name is quoted, or whose address is given."""
    nodes: Sequence[JsonObject] = definition.get("nodes", [])
    for part in text.literals(words, "quote"):
        for node in nodes:
            if node["name"].lower() == part.value.lower() or node["id"] == part.value:
                return node
    for part in text.literals(words, "url"):
        for node in nodes:
            if part.value.rstrip("/") in str(node.get("parameters", {}).get("url", "")):
                return node
    return None


def _by_words(words: str, text: Text, definition: JsonObject) -> JsonObject | None:
    """The node that is called by its name, or the first of the kind that is meant."""
    plain = text.restore(words).lower()
    for node in definition.get("nodes", []):
        if node["name"].lower() in plain and len(node["name"]) > 3:
            return node
    for node_type, pattern in _WORDS:
        found = nodes_of(definition, node_type)
        wanted = rf"(?<!\w)(?:{pattern})(?!\w)" if pattern[0].isascii() else pattern
        if found and re.search(wanted, plain, re.IGNORECASE):
            return _of_method(found, plain)
        if found and re.search("|".join(_han_only(pattern)) or r"$^", plain):
            return found[0]
    return None


def _of_method(found: Sequence[JsonObject], plain: str) -> JsonObject:
    """Of several requests, the one that sends or the one that fetches, as the words say."""
    sends = bool(re.search(r"\b(?:post|send|push|submit)|发送|提交", plain))
    for node in found:
        if (node.get("parameters", {}).get("method", "GET") != "GET") == sends:
            return node
    return found[0]


def _han_only(pattern: str) -> list[str]:
    return [word for word in pattern.split("|") if not word.isascii()]

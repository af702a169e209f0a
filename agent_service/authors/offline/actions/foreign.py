"""What other makers' systems would do: there is no node for them, so each is a gap."""

import re

from agent_service.authors.offline.reading import Foreign, Step
from agent_service.authors.offline.systems import find_system, is_notice
from agent_service.authors.offline.text import Text

_ACTING = re.compile(
    r"\b(?:to|in|into|on|via|from|using|through|with|my|our|the|a|an|all)\b"
    r"|发|到|从|在|用|给|写入|保存|记录|通知|读取",
    re.IGNORECASE,
)
_ABOUT_DATA = re.compile(
    r"^(?:extract|reply|respond|return|set|add (?:a |an |the )?(?:\w+ )?field|keep|filter|validate"
    r"|rename|remove|translate|classif|summari[sz]e|提取|抽取|翻译|总结|分类|设置|过滤)",
    re.IGNORECASE,
)


_TO_SOMEBODY = re.compile(
    r"^(?:e-?mail|mail|text|message|sms|send|notify|tell|forward|dm|ping|show|give)"
    r"(?:s|ing)?\s+(?:me|us|him|her|them|everyone|everybody|(?:my|our|the) \w+)\b"
    r"|(?:发(?:邮件|短信|消息)?给|通知|告诉|转告|发邮件通知)(?:我|我们|大家|团队|老板|经理)",
    re.IGNORECASE,
)


def told_to_somebody(plain: str, text: Text) -> Foreign | None:
    """The notice in `e-mail me the report from https://…`, beside the request."""
    if not _TO_SOMEBODY.search(plain):
        return None
    system = find_system(plain)
    return Foreign(text.restore(plain), system.name if system else "")


def read_foreign(plain: str, text: Text) -> Step | None:
    """`post it to Slack`, `save it in Google Sheets`, 发到飞书群."""
    system = find_system(plain)
    if system is None or not _ACTING.search(plain) or _ABOUT_DATA.match(plain):
        return None
    return Foreign(text.restore(plain), system.name, text.literal(plain, "quote") or "")


def read_notice(plain: str, text: Text) -> Step | None:
    """`notify the team`: by what means was not said."""
    if not is_notice(plain):
        return None
    return Foreign(text.restore(plain), "", text.literal(plain, "quote") or "")

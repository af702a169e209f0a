"""A script: written by the person, or merely wished for."""

import re

from agent_service.authors.offline.reading import Code, Step
from agent_service.authors.offline.text import Text

_CODE = re.compile(
    r"\b(?:javascript|js code|code (?:node|step|block|snippet)|custom "
    r"(?:code|script|logic|function)|(?:run|execute|python|shell|small|little|own) scripts?"
    r"|run code|execute code|regular expressions?|regex(?:es)?|with code|in code|function node)\b"
    r"|代码|脚本|正则",
    re.IGNORECASE,
)
_COMPUTE = re.compile(
    r"^(?:calculate|compute|count|sum(?: up)?|add up|average|round|sort|dedup(?:e|licate)"
    r"|parse|encode|decode|encrypt|decrypt|hash|sign|normali[sz]e|group|pivot|aggregate"
    r"|randomi[sz]e|shuffle|concatenate|limit|deduplicate|reverse|process|transform"
    r"|convert|compare|remove duplicates|prioriti[sz]e|prioritise)(?:s|es|d|ing)?\b"
    r"|^(?:计算|统计|求和|排序|去重|解析|编码|解码|加密|解密|分组|处理|转换|比较)",
    re.IGNORECASE,
)


def read_code(plain: str, text: Text) -> Step | None:
    """`run this JavaScript: …`, `calculate the total`."""
    source = text.literal(plain, "code")
    if source is not None:
        return Code(text.restore(plain), source.strip())
    if _CODE.search(plain) or _COMPUTE.match(plain):
        return Code(text.restore(plain))
    return None

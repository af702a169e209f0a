"""Names of fields as people say them: `the order's total`, `body.amount`, 金额."""

import re

from agent_service.authors.offline.text import Text

_HAN_FIELDS = {
    "金额": "amount", "总额": "total", "总价": "total", "价格": "price", "单价": "price",
    "数量": "quantity", "状态": "status", "姓名": "name", "名字": "name", "名称": "name",
    "邮箱": "email", "邮件": "email", "电话": "phone", "手机号": "phone", "地址": "address",
    "类型": "type", "标题": "title", "内容": "content", "时间": "time", "日期": "date",
    "年龄": "age", "国家": "country", "城市": "city", "优先级": "priority", "温度": "temperature",
    "订单号": "order_id", "编号": "id", "用户": "user", "客户": "customer", "评分": "rating",
    "库存": "stock", "状态码": "status_code", "返回码": "status_code", "响应码": "status_code",
    "响应头": "headers", "响应体": "body", "正文": "body", "级别": "level", "分数": "score",
    "消息": "message", "订单金额": "amount",
}  # fmt: skip
_NOISE = re.compile(
    r"^(?:(?:the|a|an|its?|their|his|her|my|our|your|each|every|any|this|that|these|those|whole"
    r"|new|incoming|given|received|current|value of|field|fields?|named|called)\s+)+",
    re.IGNORECASE,
)
_ENTITY = re.compile(
    r"^(?:order|request|payload|body|webhook|message|item|record|row|event|form|input|response"
    r"|result|ticket|invoice|payment|data|json|lead|submission|purchase)(?:'s)?\s+(?=\w)",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s+(?:field|value|property|attribute|key|column|字段)s?$", re.IGNORECASE)
_OF = re.compile(r"^(?P<field>[\w -]+?)\s+(?:of|in|from)\s+(?:the |an? |its? )?(?P<owner>[\w -]+)$")
_PATH = re.compile(r"[A-Za-z_][\w]*(?:\[\d+\])?(?:\.[A-Za-z_]\w*(?:\[\d+\])?)+")


def field_path(words: str, text: Text) -> str:
    """The path of the field that some words name; empty for `it` and nothing."""
    if literal := text.literal(words, "quote", "code"):
        return literal.strip().removeprefix("$json.")
    bare = words.strip().strip(",，的:").strip()
    if found := _PATH.search(bare):
        return found.group().removeprefix("$json.")
    if re.fullmatch(r"(?:it|this|that|they|he|she|它|他|这|其)?", bare, re.IGNORECASE):
        return ""
    for name in sorted(_HAN_FIELDS, key=len, reverse=True):
        if bare.endswith(name):
            return _HAN_FIELDS[name]
    return _english_path(bare)


def _english_path(words: str) -> str:
    bare = _NOISE.sub("", words)
    bare = _TAIL.sub("", bare)
    if found := _OF.match(bare):
        bare = found["field"]
    bare = _NOISE.sub("", bare)
    bare = _ENTITY.sub("", bare)
    bare = bare.replace("'s ", " ")
    if re.fullmatch(r"[A-Za-z_]\w*", bare):
        return bare if re.search(r"[A-Z_]", bare[1:]) else bare.lower()
    return re.sub(r"[^\w\u4e00-\u9fff]+", "_", bare).strip("_").lower()

"""The verbs with which something to do begins, for cutting a request into clauses.

Some of them are nouns too (`the name and email`); those count only with an object behind them.
"""

import re

_VERBS = (
    "send", "post", "put", "patch", "delete", "get", "fetch", "call", "request", "pull", "download",
    "retrieve", "read", "check", "query", "look up", "lookup", "search", "scrape", "collect",
    "gather", "summari[sz]e", "translate", "classif(?:y|ies)", "categori[sz]e", "label", "tag",
    "extract", "generate", "write", "draft", "rewrite", "compose", "analy[sz]e", "score", "rank",
    "rate", "detect", "evaluate", "decide", "determine", "compare", "ask", "wait", "pause", "hold",
    "delay", "sleep", "notif(?:y|ies)", "alert", "e-?mail", "message", "tell", "inform", "ping",
    "warn", "log", "save", "store", "record", "append", "add", "set", "update", "insert", "upsert",
    "rename", "remove", "drop", "filter", "keep", "sort", "dedup(?:e|licate)", "merge", "combine",
    "join", "aggregate", "loop", "iterate", "repeat", "retry", "retries", "respond", "reply",
    "replies", "return", "answer", "stop", "fail", "abort", "throw", "raise", "run", "execute",
    "compute", "calculate", "count", "convert", "format", "parse", "transform", "map", "split",
    "route", "forward", "upload", "publish", "push", "submit", "ignore", "skip", "do nothing",
    "approve", "require", "need", "let", "have", "create", "open", "close", "schedule", "book",
    "enrich", "validate", "verif(?:y|ies)", "process", "handle", "import", "export", "sync",
    "output", "show", "display", "print", "continue", "proceed", "use", "make", "prioriti[sz]e",
    "tailor", "recommend", "remind", "echo", "list", "archive", "move", "copy", "include",
    "exclude", "mark", "assign", "escalate", "trigger", "start", "begin", "pass", "hand", "give",
    "transcribe", "monitor", "track", "watch", "find", "load", "scan", "crawl", "visit", "grab",
    "invoke", "ensure", "test", "limit", "order", "arrange", "group", "collate", "look",
)  # fmt: skip
_HAN_VERBS = (
    "发送", "发给", "发到", "发", "推送", "提交", "上传", "调用", "请求", "获取", "抓取", "拉取",
    "下载", "读取", "查询", "检索", "搜索", "检查", "总结", "摘要", "概括", "翻译", "分类", "归类",
    "提取", "抽取", "生成", "撰写", "写入", "写", "改写", "分析", "评估", "判断", "询问", "问",
    "等待", "等", "暂停", "延迟", "通知", "提醒", "告知", "告诉", "邮件", "记录", "保存", "存储",
    "存到", "添加", "新增", "增加", "设置", "设为", "更新", "插入", "重命名", "删除", "移除",
    "过滤", "筛选", "保留", "排序", "去重", "合并", "汇总", "循环", "遍历", "逐个", "逐条", "重试",
    "回复", "返回", "响应", "应答", "停止", "终止", "报错", "执行", "运行", "计算", "转换",
    "格式化", "解析", "拆分", "转发", "发布", "忽略", "跳过", "审批", "批准", "征求", "经过", "经",
    "需", "请", "把", "将", "用", "让", "给", "向", "对", "先", "再", "直接", "自动", "创建",
    "建立", "打标签", "标记", "输出", "处理", "同步", "导出", "导入", "什么都不做", "不处理",
    "转给", "访问", "打开", "看看", "看一下", "查看", "监控", "监测", "检测", "确认", "确保", "取",
    "采集", "爬取", "分组", "排列", "批量", "由", "跟踪", "只",
    "按", "根据",
)  # fmt: skip


def _gerund(verb: str) -> str:
    """`generate` → `generating`, `get` → `getting`; of a verb's last word, patterns apart."""
    if not verb.isalpha():
        return verb
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    vowels = sum(sign in "aeiou" for sign in verb)
    doubled = verb[-1] in "tpngdm" and verb[-2:-1] in set("aeiou") and vowels == 1
    return f"{stem}{verb[-1] if doubled else ''}ing"


_OBJECT = (
    r"(?=\s+(?:it|them|me|us|him|her|this|that|these|those|the|a|an|my|our|your|its|their|every"
    r"|each|all|any|only|[\ue000-\uf8ff]))"
)
_NOUNS_TOO = (
    "email", "e-mail", "message", "request", "label", "tag", "score", "rate", "rank", "record",
    "list", "text", "schedule", "trigger", "start", "report", "log", "show", "rate", "use", "copy",
)  # fmt: skip
_PLAIN_VERBS = tuple(verb for verb in _VERBS if verb not in _NOUNS_TOO and verb != "e-?mail")

ACTION_START = (
    r"(?:(?:also|only|always|never|immediately|automatically|instantly|just|first|simply"
    rf"|please|don'?t|do not)\s+)*(?:(?:{'|'.join(_PLAIN_VERBS)})(?:s|es)?\b(?!['’])"
    rf"|(?:{'|'.join(map(re.escape, _NOUNS_TOO))})(?:s|es)?\b{_OBJECT})"
)
"""A regular expression for the beginning of something to do, in English."""

ACTION_NOUN = rf"(?:{'|'.join(_gerund(verb) for verb in _VERBS)})\b"
"""The same as a noun: `generating a summary`."""

HAN_ACTION = rf"(?:{'|'.join(sorted(_HAN_VERBS, key=len, reverse=True))})"
"""The same in Chinese."""

_NOT_VERBS = (
    "the", "an?", "in", "on", "at", "for", "with", "from", "to", "by", "of", "as", "if", "when",
    "and", "but", "or", "so", "is", "are", "was", "be", "this", "that", "it", "they", "we", "i",
    "you", "he", "she", "there", "my", "our", "your", "their", "its", "all", "each", "every", "no",
    "not", "after", "before", "while", "because", "since", "like", "than", "then", "using", "which",
    "who", "also", "only", "about", "into", "over", "some", "any", "both", "until", "via", "per",
    "unless", "whenever", "once", "where", "whose", "without", "within", "between", "has", "have",
    "does", "can", "will", "should", "must", "may", "would", "under", "above", "below", "against",
    "through", "during", "upon", "just", "whether", "contains?", "receives?", "equals?",
)  # fmt: skip
IMPERATIVE = (
    rf"(?!(?:{'|'.join(_NOT_VERBS)})\b)[a-z]{{3,}}(?: (?:up|out|down|off|on|over|back))? "
    r"(?:it|them|him|her|me|us|the|an?|this|that|these|those|each|all|every|my|our|your|its|their)"
    r"(?!\w)"
)
"""A regular expression for an order whose verb need not be known: `frobnicate the widget`."""

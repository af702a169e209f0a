"""What a language model does: summarize, classify, translate, extract, write, judge."""

import re

from agent_service.authors.offline.reading import Ai, FieldOf, SetFields, Step, Value
from agent_service.authors.offline.text import Text

_TASKS: tuple[tuple[str, "re.Pattern[str]"], ...] = tuple(
    (task, re.compile(pattern, re.IGNORECASE))
    for task, pattern in (
        ("summarize", r"\bsummari[sz](?:e|es|ing|ation)|\bsummar(?:y|ies)\b|\bcondens|\bdigest\b"
                      r"|\btl;?dr\b|\bshorten|总结|摘要|概括|概述|归纳"),
        ("translate", r"\btranslat|翻译|译成|译为"),
        ("classify", r"\bclassif|\bcategori[sz]|\bsentiment|\bprioriti[sz]e|\btriage"
                     r"|\blabel(?:s|ing)?\b|\bdetect (?:the |its )?(?:language|intent"
                     r"|topic|spam|tone|mood|urgency|category)|\bintent\b|\bspam\b"
                     r"|分类|归类|情感|情绪|打标签|意图"),
        ("extract", r"\bextract|\bpull out\b|\bidentif(?:y|ies)|\bpick out\b|提取|抽取|识别"),
        ("rewrite", r"\brewrit|\brephras|\boptimi[sz]|\bparaphras|\bproofread"
                    r"|\bcorrect (?:the |its )?(?:grammar|spelling)|\bimprove|\bpolish|\bstyle\b"
                    r"|改写|润色|改进"),
        ("judge", r"\bevaluat|\bassess|\bscor(?:e|es|ing)\b|\brat(?:e|es|ing)\b|\bjudg"
                  r"|\bdecid|\bdetermin|\breview|\banaly[sz]|\binterpret|\bmatch\b"
                  r"|评估|评分|判断|分析|审阅|打分"),
        ("write", r"\bgenerat|\bwrit(?:e|es|ing)\b|\bdraft|\bcompos|\bcreat(?:e|es|ing) "
                  r"(?:a |an |the )?(?:\w+ ){0,2}?(?:text|post|article|story|content|copy"
                  r"|title|caption|description|reply|response|prompt|outline|report|script"
                  r"|message|e-?mail|answer|idea|keyword|poem|joke|blog|summary|plan|list)s?\b"
                  r"|\btailor|\bbrainstorm|\bsuggest|\brecommend|\banswer\b.*\bquestions?\b"
                  r"|生成|撰写|写一|编写|创作|起草|回答问题|推荐"),
        ("ask", r"\b(?:use|using|with|ask|via|call|let) (?:an? |the )?(?:ai|llm|gpt[\w.-]*"
                r"|chat ?gpt|openai|claude|gemini|mistral|llama|deepseek|language model|model"
                r"|anthropic|ollama|copilot)\b|\bai[- ](?:agent|assistant|powered|driven"
                r"|model|generated)|\b(?:gpt-?\w*|llm|claude|gemini|openai|chatgpt|deepseek)\b"
                r"|人工智能|大模型|语言模型|\bAI\b|智能"),
    )
)  # fmt: skip
_LABELS = re.compile(
    r"\b(?:as|into|in|between|categories|classes|labels|one of|among)\b(?: (?:are|is|being))?:?\s*"
    r"(?P<labels>[^.;]+?)$|(?:为|成|分为|归为)(?P<han>[^。；]+)$",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*(?:,\s*(?:and |or )?|\band\b|\bor\b|/|、|和|或|，)\s*", re.IGNORECASE)
_FIELDS = re.compile(
    r"\b(?:extract|pull out|identify|pick out)(?:s|ing)?\s+(?:(?:the|its|their|all|a|an|any)\s+)*"
    r"(?P<fields>.+?)(?:\s+(?:from|in|out of|of the|using|with|for)\b.*)?$"
    r"|(?:提取|抽取|识别)(?:出)?(?P<han>[^,，。\n]+)$",
    re.IGNORECASE,
)
_FETCHING = re.compile(
    r"^(?:fetch|get|pull|download|retrieve|scrape|load|import|collect)(?:s|es|ing)?\b",
    re.IGNORECASE,
)
_STRUCTURED = re.compile(
    r"\bfrom (?:the |its )?(?:\w+ )?(?:responses?|payload|request|webhook|json|body|results?"
    r"|records?)\b|\b(?:ids?|urls?|tokens?)\b",
    re.IGNORECASE,
)
_NOT_TEXT = re.compile(
    r"\b(?:videos?|images?|audio|voices?|voiceovers?|pictures?|photos?|logos?|clips?|visuals?"
    r"|speech|podcast audio|charts?|pdfs?|files?|folders?|invoices?|links?|tokens?|tickets?|tasks?"
    r"|records?|schedules?|permissions?|cop(?:y|ies) of)\b|图片|图像|视频|音频|语音|文件",
    re.IGNORECASE,
)
_MODELS = re.compile(r"\b(?:openai|gpt|claude|gemini|llm|ai)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:(?:the|a|an|its?|their|all|any)\s+)+")
_LENGTH = 60


def read_model_task(plain: str, text: Text) -> Step | None:
    """`use Gemini to match it against our FAQ`: a model that is named does the work."""
    return read_language_task(plain, text) if _MODELS.search(plain) else None


def read_language_task(plain: str, text: Text) -> Step | None:
    """`summarize it in three sentences`, `classify as bug, billing or other`, 翻译成英文."""
    task = next((task for task, pattern in _TASKS if pattern.search(plain)), None)
    if task is None or _FETCHING.match(plain):
        return None
    if task == "extract" and _STRUCTURED.search(plain):
        names: dict[str, Value] = {name: FieldOf(name) for name in _fields(plain, text)}
        return SetFields(text.restore(plain), names)
    if task in ("write", "extract") and _NOT_TEXT.search(plain):
        return None
    return Ai(
        phrase=text.restore(plain),
        task=task,
        instruction=text.restore(plain),
        labels=_labels(plain, text) if task == "classify" else (),
        fields=_fields(plain, text) if task == "extract" else (),
    )


def _labels(plain: str, text: Text) -> list[str]:
    found = _LABELS.search(plain)
    if found is None:
        return []
    said = [
        text.restore(one).strip(" '\"“”.") for one in _SPLIT.split(found["labels"] or found["han"])
    ]
    short = [one for one in said if one and len(one.split()) <= 3]
    return list(dict.fromkeys(short)) if len(short) >= 2 and len(short) == len(said) else []


def _fields(plain: str, text: Text) -> list[str]:
    found = _FIELDS.search(plain)
    if found is None:
        return []
    said = [text.restore(one) for one in _SPLIT.split(found["fields"] or found["han"])]
    bare = [_ARTICLE.sub("", one.strip().lower()) for one in said]
    names = [re.sub(r"[^\w\u4e00-\u9fff]+", "_", one).strip("_") for one in bare]
    return [name for name in dict.fromkeys(names) if name and len(name) <= _LENGTH][:20]

"""Whether a request wants a language model at work at all: by name, or for a task of language."""

import re

_WANTED = re.compile(
    r"\b(?:ai|llms?|gpt[\w.-]*|chat ?gpt|openai|claude|gemini|mistral|llama"
    r"|deepseek|anthropic|(?:language )?models?|agents?|assistants?)\b"
    r"|\b(?:summari[sz]|translat|classif|categori[sz]|triage|rewrit|rephras|proofread|sentiment)"
    r"|人工智能|大模型|模型|智能|总结|摘要|概括|翻译|分类|改写|润色|(?<![A-Za-z])AI(?![A-Za-z])",
    re.IGNORECASE,
)


def wants_model(plain: str) -> bool:
    """Whether a text asks for something that only a language model does."""
    return bool(_WANTED.search(plain))

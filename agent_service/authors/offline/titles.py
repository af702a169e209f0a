"""What a workflow is called when nobody named it: the wish, cut short."""

import re

_LENGTH = 60
_FRAME = re.compile(
    r"^(?:(?:please|can you|could you|i want(?: you)? to|i need(?: you)? to|i'd like to|help me(?: to)?|请|帮我|我想要?|我要)\s*[,，]?\s*)+"
    r"|^(?:create|build|make|set up|design)\s+(?:me\s+)?(?:a|an|the)\s+(?:workflow|automation|flow)\s+(?:that|which|to|for|where)\s+",
    re.IGNORECASE,
)


def title_of(said: str) -> str:
    """The first sentence of a wish as a title."""
    first = re.split(r"(?<=[.!?。！？])\s|\n", said.strip(), maxsplit=1)[0]
    bare = re.sub(r"https?://([^/\s]+)\S*", r"\1", first)
    bare = _FRAME.sub("", bare).strip(" .,。，!？?")
    if len(bare) > _LENGTH:
        cut = bare[:_LENGTH].rsplit(" ", 1)[0] if " " in bare[:_LENGTH] else bare[:_LENGTH]
        bare = cut.rstrip(" ,，") + "…"
    return bare[:1].upper() + bare[1:] if bare else "Untitled workflow"

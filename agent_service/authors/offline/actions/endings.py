"""Ways that end here: nothing more is done, or the run fails."""

import re

from agent_service.authors.offline.reading import Ignore, Step, Stop
from agent_service.authors.offline.text import Text

_IGNORE = re.compile(
    r"^(?:just |simply )?(?:do nothing|nothing(?: happens)?|ignore|skip|discard|leave it)\b"
    r"|\b(?:should|can|must|may|will) be (?:ignored|skipped|discarded|dropped)\b"
    r"|^(?:do not|don'?t) do anything\b|什么都?不做|不(?:做任何|用|作)?处理|直接?忽略|跳过",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"^(?:stop|abort|cancel|fail|terminate|halt|end)(?:s|ed)?(?: (?:the )?(?:workflow|run"
    r"|execution|process|everything|here|it))?(?:\s+(?:with|and (?:throw|raise|return))\b.*|\s*)$"
    r"|^(?:throw|raise)s? (?:an? )?(?:error|exception)|^(?:报错|抛出|终止|停止|中止|结束)",
    re.IGNORECASE,
)
_MESSAGE = re.compile(
    r"\b(?:error|message|with|saying)\b:?\s+(?:an? )?(?:error )?(?:message )?(?P<said>.+)$",
    re.IGNORECASE,
)


def read_ending(plain: str, text: Text) -> Step | None:
    """`ignore it`, `stop with an error`."""
    phrase = text.restore(plain)
    if _IGNORE.search(plain):
        return Ignore(phrase)
    if _STOP.match(plain):
        said = text.literal(plain, "quote")
        if said is None and (found := _MESSAGE.search(plain)):
            said = text.restore(found["said"])
        return Stop(phrase, said or phrase)
    return None

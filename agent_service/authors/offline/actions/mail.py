"""E-mail to an address that was named; without one, it is not known whom to write to."""

import re

from agent_service.authors.offline.reading import Mail, Step
from agent_service.authors.offline.text import Text

_MAIL = re.compile(
    r"^(?:please )?(?:e-?mails?|mails?)\b"
    r"|^(?:please )?(?:sends?|writes?|forwards?|delivers?)\b.*\b(?:e-?mails?|mail|message|it|them"
    r"|this|summary|report|result|results|alert|notice|notification|reminder)\b.*\bto\b"
    r"|发(?:送)?(?:一?封)?(?:电子)?(?:邮件|信)|邮件(?:通知|给|发)|(?:发|寄)(?:送)?(?:到|给|至)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\bsubject\b|主题|标题", re.IGNORECASE)


def read_mail(plain: str, text: Text) -> Step | None:
    """`email the report to ada@example.com`, 发邮件给 ada@example.com."""
    addresses = [part.value for part in text.literals(plain, "email")]
    if not addresses or not _MAIL.search(plain) or text.literal(plain, "url"):
        return None
    quotes = [part.value for part in text.literals(plain, "quote")]
    subject = quotes.pop(0) if quotes and _SUBJECT.search(plain) else ""
    return Mail(text.restore(plain), addresses, subject, quotes[0] if quotes else "")

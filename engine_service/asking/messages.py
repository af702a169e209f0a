"""What people are told: a question as an e-mail and as a message in Slack, each with its link.

What runs and people wrote is shown as the text it is: escaped in HTML, no mark-up in Slack.
"""

from datetime import UTC, datetime
from functools import cache

import jinja2

from engine_service.protocols.letters import Letter
from engine_service.store.approvals import StoredApproval
from engine_service.store.notices import StoredNotice
from shared.workflow import JsonObject

_HTML = """\
<!doctype html>
<html lang="en"><body style="font-family: sans-serif; line-height: 1.5">
<h1 style="font-size: 1.3em">{{ title }}</h1>
{% if message %}
<p style="white-space: pre-wrap">{{ message }}</p>
{% endif %}
<p><a href="{{ url }}" style="display: inline-block; padding: 0.6em 1.2em; background: #0b57d0; \
color: #ffffff; text-decoration: none; border-radius: 4px">{{ invitation }}</a></p>
<p style="color: #595959">{{ small_print }}</p>
</body></html>
"""
_LONGEST_SLACK = 2_500


def letter_of(
    notice: StoredNotice, asked: StoredApproval, url: str, sender: str, at: datetime
) -> Letter:
    """A question as an e-mail."""
    title = " ".join(asked.title.split())
    values = {
        "title": title,
        "message": asked.message,
        "url": url,
        "invitation": _invitation(asked),
        "small_print": _small_print(asked),
    }
    text = "\n\n".join(
        part
        for part in (title, asked.message, f"{_invitation(asked)}: {url}", _small_print(asked))
        if part
    )
    return Letter(
        sender=sender,
        to=[notice.recipient],
        subject=f"{_kind_of(notice)}{title}",
        key=key_of(notice),
        sent_at=at,
        text=text,
        html=_html().render(values),
    )


@cache
def _html() -> "jinja2.Template":
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_HTML)


def slack_message_of(notice: StoredNotice, asked: StoredApproval, url: str) -> JsonObject:
    """A question as Slack's `chat.postMessage` wants it."""
    title = " ".join(asked.title.split())
    message = asked.message[:_LONGEST_SLACK]
    blocks: list[JsonObject] = [_plain(f"{_kind_of(notice)}{title}")]
    if message:
        blocks.append(_plain(message))
    button: JsonObject = {
        "type": "button",
        "text": {"type": "plain_text", "text": _invitation(asked)},
        "url": url,
    }
    blocks.append({"type": "actions", "elements": [button]})
    blocks.append(_plain(_small_print(asked)))
    return {
        "channel": notice.recipient,
        "text": f"{_kind_of(notice)}{_escaped(title)}",
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def key_of(notice: StoredNotice) -> str:
    """What makes a repeat of a message the same message: which notice, and the how-manieth."""
    return f"{notice.id}:{notice.sent}"


def _kind_of(notice: StoredNotice) -> str:
    return "Reminder: " if notice.sent else ""


def _invitation(asked: StoredApproval) -> str:
    return "Fill in the form" if asked.kind == "form" else "Read and answer"


def _small_print(asked: StoredApproval) -> str:
    until = asked.expires_at
    limit = (
        f" It can be answered until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if until else ""
    )
    return f"The link answers for you: do not pass it on.{limit}"


def _plain(text: str) -> JsonObject:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

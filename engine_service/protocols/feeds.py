"""RSS, Atom and what else is a feed: bytes become entries. Parsing takes a while: use a thread.

Names of fields are those that people know from n8n where there are such, for their workflows to
find what they look for.
"""

import calendar
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import feedparser

from engine_service.sdk.failure import Failed, NodeError
from engine_service.values.markup import BadMarkup, parse_html, text_of
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what the feed calls it for ever, and what it says."""

    id: str
    content: JsonObject


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed and its entries, as they stand there."""

    title: str
    entries: Sequence[Entry]


def example_entry(now: datetime) -> Entry:
    """An entry such as feeds have."""
    content: JsonObject = {
        "guid": "https://example.com/1",
        "title": "A sample entry",
        "link": "https://example.com/1",
        "isoDate": now.isoformat(),
        "pubDate": now.isoformat(),
        "creator": "",
        "content": "<p>What it says.</p>",
        "contentSnippet": "What it says.",
        "categories": [],
        "enclosures": [],
        "feed": "A sample feed",
    }
    return Entry("https://example.com/1", content)


def read_feed(body: bytes, headers: Mapping[str, str], url: str) -> Feed:
    """Read a feed.

    Raises:
        NodeError: It is none.
    """
    told = {"content-location": url, **{name.lower(): value for name, value in headers.items()}}
    told.pop("content-encoding", None)
    # A stream: what looks like an address or a path would be opened otherwise.
    parse: Any = cast("Any", feedparser).parse
    parsed: Any = parse(io.BytesIO(body), response_headers=told)
    if not parsed.get("version") and not parsed.get("entries"):
        raise NodeError(Failed("bad_feed", f"What came from {_host(url)} is no feed."))
    about: Any = parsed.get("feed") or {}
    title = str(about.get("title", ""))
    entries: list[Any] = parsed.get("entries", [])
    return Feed(title, [_entry(entry, title) for entry in entries])


def _entry(entry: Any, feed: str) -> Entry:
    moment = _moment(entry.get("published_parsed") or entry.get("updated_parsed"))
    html = _content(entry)
    link, title = str(entry.get("link", "")), str(entry.get("title", ""))
    name = str(entry.get("id") or link or f"{title} {moment}")
    content: JsonObject = {
        "guid": name,
        "title": title,
        "link": link,
        "isoDate": moment,
        "pubDate": str(entry.get("published") or entry.get("updated") or ""),
        "creator": str(entry.get("author", "")),
        "content": html,
        "contentSnippet": _text(html),
        "categories": [str(tag.get("term", "")) for tag in entry.get("tags", [])],
        "enclosures": [
            {"url": str(each.get("href", "")), "type": str(each.get("type", ""))}
            for each in entry.get("enclosures", [])
        ],
        "feed": feed,
    }
    return Entry(name, content)


def _content(entry: Any) -> str:
    contents: list[Any] = entry.get("content") or []
    return str(contents[0].get("value", "")) if contents else str(entry.get("summary", ""))


def _text(html: str) -> str:
    try:
        body = parse_html(html).body
    except BadMarkup:  # nested too deeply to be read
        return ""
    return " ".join(text_of(body).split()) if body is not None else ""


def _moment(parsed: Any) -> str | None:
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition("?")[0] or "there"

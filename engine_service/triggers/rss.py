"""`trigger.rss`: a new entry in a feed starts the run."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from engine_service.protocols.feeds import Entry, example_entry, read_feed
from engine_service.protocols.polling import PollParameters
from engine_service.sdk.node import Failed, HttpRequest, NodeError
from engine_service.sdk.trigger import Found, Outside, Polled, PollTrigger
from shared.workflow import Item, JsonObject

_ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"
_MOST_AT_ONCE = 100
_MOST_SEEN = 2_000
_UNCHANGED = 304


class RssParameters(PollParameters):
    """Which feed."""

    url: str = Field(
        min_length=1, max_length=8_000, description="The feed's address, http or https"
    )


class RssTrigger(PollTrigger[RssParameters]):
    """Starts a run for every new entry of an RSS or Atom feed.

    The item holds the entry: `{guid, title, link, isoDate, pubDate, creator, content,
    contentSnippet, categories, enclosures, feed}`. An entry is new when its id has not been seen;
    it starts one run, however often the feed shows it.

    Servers are asked whether the feed has changed at all, and less often while they fail. A new
    version of the workflow with the same address goes on where the old one was.
    """

    Parameters = RssParameters
    type = "trigger.rss"
    title = "New feed entry"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://example.com/feed.xml"},
        {"url": "https://example.com/atom", "every": 60, "begin": "existing", "runs": "together"},
    )
    keywords = (
        "rss", "atom", "feed", "new article", "new post", "blog", "podcast", "news", "new entry",
        "订阅", "新文章", "博客更新", "新闻源",
    )  # fmt: skip

    def interval(self, parameters: RssParameters) -> timedelta:
        return parameters.interval

    def source(self, parameters: RssParameters) -> str:
        return parameters.url

    def together(self, parameters: RssParameters) -> bool:
        return parameters.runs == "together"

    def example(self, parameters: RssParameters, now: datetime, timezone: str) -> Item:
        del parameters, timezone
        return {"json": example_entry(now).content}

    async def poll(
        self, parameters: RssParameters, cursor: JsonObject | None, outside: Outside
    ) -> Polled:
        known = cursor or {}
        conditions = {"if-none-match": "etag", "if-modified-since": "modified"}
        headers = {name: known[key] for name, key in conditions.items() if known.get(key)}
        response = await outside.http.send(
            HttpRequest("GET", parameters.url, {"accept": _ACCEPT, **headers})
        )
        if response.status == _UNCHANGED and cursor is not None:
            return Polled([], cursor)
        if response.status >= 400:
            message = f"The feed's server answered {response.status}."
            raise NodeError(Failed("http_status", message, retryable=True))
        feed = await asyncio.to_thread(read_feed, response.body, response.headers, response.url)
        waits = cursor is None and parameters.begin == "now"
        seen: list[str] = list(known.get("seen", ()))
        fresh = [] if waits else _fresh(feed.entries, seen)
        taken = fresh[:_MOST_AT_ONCE]
        more = len(taken) < len(fresh)
        noted = [_digest(entry) for entry in (feed.entries if waits else taken)]
        return Polled(
            [Found(entry.id, {"json": entry.content}) for entry in taken],
            {
                # What has not been taken yet must be answered again, so it is not "unchanged".
                "etag": "" if more else response.headers.get("etag", ""),
                "modified": "" if more else response.headers.get("last-modified", ""),
                "seen": _kept(feed.entries, [*seen, *noted]),
            },
            more,
        )


def _fresh(entries: Sequence[Entry], seen: Sequence[str]) -> list[Entry]:
    """The entries not seen yet, each once, oldest first: feeds begin with the newest."""
    known = set(seen)
    fresh = {entry.id: entry for entry in entries if _digest(entry) not in known}
    return list(fresh.values())[::-1]


def _kept(entries: Sequence[Entry], seen: Sequence[str]) -> list[str]:
    """What to remember: all that the feed shows, and the latest of what it no longer shows."""
    shown = {_digest(entry) for entry in entries}
    gone = [name for name in seen if name not in shown]
    return [*gone[-_MOST_SEEN:], *dict.fromkeys(name for name in seen if name in shown)]


def _digest(entry: Entry) -> str:
    return hashlib.sha256(entry.id.encode("utf-8", "replace")).hexdigest()[:16]

"""`rss.read`: reads the entries of a feed."""

import asyncio
from typing import ClassVar

from pydantic import Field

from engine_service.protocols.feeds import example_entry, read_feed
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    HttpRequest,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject

_ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"


class RssReadParameters(NodeParameters):
    """Which feed, and how much of it."""

    url: str = Field(
        min_length=1, max_length=8_000, description="The feed's address, http or https"
    )
    limit: int = Field(
        default=0, ge=0, le=10_000, description="The most entries to give; 0 gives all"
    )
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds the server may take")


class RssRead(ActionNode[RssReadParameters]):
    """Reads an RSS or Atom feed and gives an item for each of its entries.

    An entry has `{guid, title, link, isoDate, pubDate, creator, content, contentSnippet,
    categories, enclosures, feed}`, in the order in which the feed has them, usually newest first.
    To start a workflow when something new comes, use `trigger.rss`.
    """

    Parameters = RssReadParameters
    type = "rss.read"
    title = "Read a feed"
    effect = Effect.READ
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://example.com/feed.xml", "limit": 10},
        {"url": "https://example.com/{{ $json.kind }}/atom.xml"},
    )
    keywords = (
        "rss", "atom", "feed", "news", "blog", "podcast", "headlines", "articles",
        "订阅源", "读取订阅", "新闻", "博客",
    )  # fmt: skip

    async def run(self, given: NodeInput[RssReadParameters], services: Services) -> Outcome:
        items: list[Item] = []
        failures: list[ItemFailure] = []
        for index in range(len(given.items)):
            try:
                items.extend(await _read(given.parameters_for(index), services, index))
            except NodeError as error:
                if len(given.items) == 1:
                    return error.failure
                failures.append(ItemFailure(index, error.failure.code, error.failure.message))
        if failures and not items:
            return Failed(failures[0].code, failures[0].message, retryable=True)
        return Done({MAIN: items}, failures)

    def plan(self, parameters: RssReadParameters) -> str:
        return f"Read the feed {parameters.url.partition('?')[0]}"

    def address(self, parameters: RssReadParameters) -> str:
        return parameters.url

    def sample(self, given: NodeInput[RssReadParameters]) -> Done:
        entry = example_entry(given.now).content
        return Done(
            {MAIN: [{"json": entry, "paired_item": index} for index in range(len(given.items))]}
        )


async def _read(parameters: RssReadParameters, services: Services, index: int) -> list[Item]:
    request = HttpRequest("GET", parameters.url, {"accept": _ACCEPT}, timeout=parameters.timeout)
    response = await services.http.send(request)
    if response.status >= 400:
        message = f"The feed's server answered {response.status}."
        raise NodeError(Failed("http_status", message, retryable=response.status >= 500))
    feed = await asyncio.to_thread(read_feed, response.body, response.headers, response.url)
    entries = feed.entries[: parameters.limit or None]
    return [{"json": entry.content, "paired_item": index} for entry in entries]

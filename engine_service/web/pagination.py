"""Pages of an API's answer: given one page, where is the next?

The ways in which APIs page, each declared by data: a Link header, a URL or cursor in the body, a
page number or an offset in the query. Pure; `http.request` does the asking.
"""

import re
from typing import Any, Literal, cast
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import Failed, HttpResponse, NodeError
from engine_service.values.field_types import to_text
from engine_service.values.paths import get_path, parse_path
from engine_service.web.outgoing_bodies import replace_query

_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


class Pagination(BaseModel):
    """How to get from one page to the next."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["link_header", "next_url", "cursor", "page", "offset"] = Field(
        description="`link_header` follows rel=next, `next_url` a URL in the body, `cursor` sends "
        "a value of the body back, `page` and `offset` count up until a page is empty"
    )
    path: str = Field(
        default="next", description="For next_url and cursor: where in the body it is"
    )
    parameter: str = Field(
        default="page", description="For cursor, page and offset: the query field that carries it"
    )
    start: int = Field(
        default=1, ge=0, description="For page: the first number; for offset: 0 fits"
    )
    page_size: int = Field(
        default=100, ge=1, le=100_000, description="For offset: how far one page reaches"
    )
    items_path: str = Field(
        default="", description="Where in the body the list of items is; the body itself when empty"
    )
    max_pages: int = Field(default=100, ge=1, le=10_000, description="No more pages than these")

    def first(self, url: str) -> str:
        """The address of the first page."""
        if self.kind in ("page", "offset"):
            return replace_query(url, self.parameter, str(self.start))
        return url

    def items(self, body: Any) -> list[Any] | None:
        """The items of a page, or None when there is no list where it should be."""
        found, value = (True, body) if not self.items_path else self._at(self.items_path, body)
        return cast("list[Any]", value) if found and isinstance(value, list) else None

    def following(self, url: str, number: int, response: HttpResponse, body: Any) -> str | None:
        """The address of the page after the one with this number (from 0), if there is one.

        Raises:
            NodeError: It is on another host, where this request's secrets have no business.
        """
        if number + 1 >= self.max_pages:
            return None
        following = self._following(url, number, response, body)
        if following is None or following == response.url:
            return None
        here, there = urlsplit(url), urlsplit(following)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise NodeError(
                Failed("bad_response", f"The next page is on another host: {there.netloc}.")
            )
        return following

    def _following(self, url: str, number: int, response: HttpResponse, body: Any) -> str | None:
        match self.kind:
            case "link_header":
                link = next_link(response)
                return urljoin(response.url, link) if link else None
            case "next_url":
                found, following = self._at(self.path, body)
                return urljoin(response.url, to_text(following)) if found and following else None
            case "cursor":
                found, cursor = self._at(self.path, body)
                if not found or cursor in (None, ""):
                    return None
                return replace_query(url, self.parameter, to_text(cursor))
            case "page" | "offset":
                if not self.items(body):
                    return None
                step = 1 if self.kind == "page" else self.page_size
                return replace_query(url, self.parameter, str(self.start + (number + 1) * step))

    def _at(self, path: str, body: Any) -> tuple[bool, Any]:
        return get_path(body, parse_path(path))


def next_link(response: HttpResponse) -> str:
    """Where the Link header says that the next page is; empty when it says nothing."""
    link = _LINK.search(response.headers.get("link", ""))
    return link[1] if link else ""

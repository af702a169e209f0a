"""Pages of a vendor's lists: given one page, what does the next request look like?"""

from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urljoin

from engine_service.sdk.node import HttpResponse
from engine_service.values.paths import get_path, parse_path
from engine_service.web.outgoing_bodies import replace_query
from engine_service.web.pagination import next_link
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Pages:
    """How a vendor pages.

    Attributes:
        kind: `link` follows the Link header, `cursor` sends back a value of the answer.
        path: For cursor: where in the answer it is.
        field: For cursor: the field of the next request that carries it.
        in_body: For cursor: that field is the body's, not the query's.
        size_field: The field that says how many items a page may have; none when empty.
        largest: How many items a page may have.
        last: A mark of the answer that, when false, says that this page was the last one.
    """

    kind: Literal["link", "cursor"] = "link"
    path: str = ""
    field: str = ""
    in_body: bool = False
    size_field: str = ""
    largest: int = 100
    last: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page is asked for: its address, and the body of the request."""

    url: str
    body: Any


def sized(pages: Pages, page: Page, wanted: int | None) -> Page:
    """The first page, no larger than what is wanted."""
    if not pages.size_field:
        return page
    size = pages.largest if wanted is None else min(wanted, pages.largest)
    return _with(pages, page, pages.size_field, size)


def following(pages: Pages, page: Page, response: HttpResponse, answer: Any) -> Page | None:
    """The page after this one, if there is one."""
    if pages.kind == "link":
        link = next_link(response)
        return replace(page, url=urljoin(page.url, link)) if link else None
    if pages.last and not _at(answer, pages.last):
        return None
    cursor = _at(answer, pages.path)
    return _with(pages, page, pages.field, cursor) if cursor else None


def _with(pages: Pages, page: Page, name: str, value: Any) -> Page:
    if not pages.in_body:
        return replace(page, url=replace_query(page.url, name, str(value)))
    body: JsonObject = {**(page.body or {}), name: value}
    return replace(page, body=body)


def _at(answer: Any, path: str) -> Any:
    found, value = get_path(answer, parse_path(path))
    return value if found else None

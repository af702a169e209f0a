"""`notion.page`: pages and databases in Notion."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.connectors.connector import Connector
from engine_service.connectors.operation import OPERATION, Call, Choice, Listing, Operation
from engine_service.connectors.pages import Pages
from engine_service.connectors.vendor import Vendor, by_status, refusal, said_in
from engine_service.sdk.node import Effect, Failed, HttpResponse
from shared.workflow import JsonObject

_ID = Field(min_length=1, max_length=100, description="The page's id")
_RAW = Field(default=False, description="Whether answers stay as Notion gives them, not made plain")
_PROPERTIES = (
    "Values of properties by name, as Notion writes them: `{Name: {title: [{text: {content: …}}]}}`"
)
_CHILDREN = Field(default=None, max_length=100, description="Blocks, as Notion writes them")
_PARAGRAPHS = Field(
    default=None, max_length=100_000, description="A text; each of its lines becomes a paragraph"
)
_PAGES = Pages(
    "cursor", "next_cursor", "start_cursor", size_field="page_size", largest=100, last="has_more"
)
_IN_BODY = Pages(
    "cursor", "next_cursor", "start_cursor", True, "page_size", largest=100, last="has_more"
)
_PAGE: JsonObject = {
    "id": "59833787-2cf9-4fdf-8782-e53db20768a5", "url": "https://www.notion.so/Plan-59833787",
    "created_time": "2026-03-02T09:00:00.000Z", "archived": False,
    "properties": {"Name": "Plan", "Status": "Open", "Tags": ["a"], "Done": False},
}  # fmt: skip
_BLOCK: JsonObject = {"id": "c02fc1d3-db8b-45c5-a222-27595b15aea7", "type": "paragraph"}
_LONGEST_TEXT = 2_000


class _Shown(Operation):
    """Whether answers are made plain."""

    raw: bool = _RAW

    def shown(self, member: Any) -> Any:
        return member if self.raw else _plain_page(member)


class CreatePage(_Shown):
    """Creates a page in a database or below another page."""

    operation: Literal["create"] = OPERATION
    database_id: str | None = Field(default=None, description="The database it goes into")
    parent_page_id: str | None = Field(default=None, description="Or the page it goes below")
    title: str | None = Field(default=None, description="Its title")
    title_property: str = Field(
        default="title", description="What the database calls its title property"
    )
    properties: JsonObject | None = Field(default=None, description=_PROPERTIES)
    text: str | None = _PARAGRAPHS
    children: list[JsonObject] | None = _CHILDREN
    icon: JsonObject | None = Field(default=None, description="An icon: `{emoji: …}`")
    call = Call("POST", "/v1/pages")
    sample = _PAGE

    def to_body(self) -> Any:
        parent = {"database_id": self.database_id} if self.database_id else None
        title = {self.title_property: {"title": _rich(self.title)}} if self.title else {}
        children = [*_paragraphs(self.text), *(self.children or ())]
        return {
            "parent": parent or {"page_id": self.parent_page_id},
            "properties": {**title, **(self.properties or {})},
            **({"children": children} if children else {}),
            **({"icon": self.icon} if self.icon else {}),
        }

    def findings(self) -> Iterator[tuple[str, str, str]]:
        if not self.database_id and not self.parent_page_id:
            yield "", "missing_parameter", "A page goes into a database or below a page."


class GetPage(_Shown):
    """Reads a page's properties."""

    operation: Literal["get"] = OPERATION
    page_id: str = _ID
    call = Call("GET", "/v1/pages/{page_id}", Effect.READ, unsent=("raw",))
    sample = _PAGE


class UpdatePage(_Shown):
    """Changes properties of a page; the others stay as they are."""

    operation: Literal["update"] = OPERATION
    page_id: str = _ID
    properties: JsonObject | None = Field(default=None, description=_PROPERTIES)
    icon: JsonObject | None = Field(default=None, description="An icon: `{emoji: …}`")
    call = Call("PATCH", "/v1/pages/{page_id}", Effect.KEYED, unsent=("raw",))
    sample = _PAGE


class ArchivePage(_Shown):
    """Puts a page into the trash, or takes it out."""

    operation: Literal["archive"] = OPERATION
    page_id: str = _ID
    archived: bool = Field(default=True, description="False takes it out")
    call = Call("PATCH", "/v1/pages/{page_id}", Effect.KEYED, unsent=("raw",))
    sample: ClassVar[JsonObject] = {**_PAGE, "archived": True}


class QueryDatabase(Listing, _Shown):
    """Finds the pages of a database."""

    operation: Literal["query_database"] = OPERATION
    database_id: str = Field(min_length=1, description="The database's id")
    filter: JsonObject | None = Field(
        default=None, description="A filter: `{property: Status, status: {equals: Open}}`"
    )
    sorts: list[JsonObject] | None = Field(
        default=None, description="How they are sorted: `[{property: Name, direction: ascending}]`"
    )
    call = Call(
        "POST",
        "/v1/databases/{database_id}/query",
        Effect.READ,
        unsent=("raw",),
        items="results",
        pages=_IN_BODY,
    )
    sample = _PAGE


class GetDatabase(Operation):
    """Reads which properties a database has."""

    operation: Literal["get_database"] = OPERATION
    database_id: str = Field(min_length=1, description="The database's id")
    call = Call("GET", "/v1/databases/{database_id}", Effect.READ)
    sample: ClassVar[JsonObject] = {"id": "d9824bdc", "properties": {"Name": {"type": "title"}}}


class Search(Listing, _Shown):
    """Finds pages and databases by their titles."""

    operation: Literal["search"] = OPERATION
    query: str = Field(default="", description="Words of the title; everything when empty")
    kind: Literal["page", "database"] | None = Field(default=None, description="Only these")
    call = Call(
        "POST", "/v1/search", Effect.READ, unsent=("raw", "kind"), items="results", pages=_IN_BODY
    )
    sample = _PAGE

    def to_body(self) -> Any:
        wanted = {"filter": {"property": "object", "value": self.kind}} if self.kind else {}
        return {**super().to_body(), **wanted}


class AppendBlocks(Operation):
    """Adds blocks to the end of a page or a block."""

    operation: Literal["append_blocks"] = OPERATION
    block_id: str = Field(min_length=1, description="The id of the page or block")
    text: str | None = _PARAGRAPHS
    children: list[JsonObject] | None = _CHILDREN
    call = Call("PATCH", "/v1/blocks/{block_id}/children", items="results")
    sample = _BLOCK

    def to_body(self) -> Any:
        return {"children": [*_paragraphs(self.text), *(self.children or ())]}

    def findings(self) -> Iterator[tuple[str, str, str]]:
        if not self.text and not self.children:
            yield "", "missing_parameter", "There is nothing to add: text or children."


class ListBlocks(Listing):
    """Reads the blocks of a page or a block."""

    operation: Literal["blocks"] = OPERATION
    block_id: str = Field(min_length=1, description="The id of the page or block")
    call = Call("GET", "/v1/blocks/{block_id}/children", Effect.READ, items="results", pages=_PAGES)
    sample = _BLOCK


class NotionParameters(Choice):
    """What to do in Notion."""

    operations = (
        CreatePage, GetPage, UpdatePage, ArchivePage, QueryDatabase, GetDatabase, Search,
        AppendBlocks, ListBlocks,
    )  # fmt: skip


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """Two saves at once are refused with 409, and may be tried again."""
    if response.status == 409:
        return refusal(vendor, "conflict", said_in(answer, "message"), True, response)
    return by_status(vendor, response, said_in(answer, "message"))


NOTION = Vendor("Notion", "https://api.notion.com", ("notion.token",), _judge)


class NotionPage(Connector):
    """Creates, reads, changes and finds pages in Notion.

    `operation` says what to do: `create`, `get`, `update`, `archive`, `query_database` (with
    Notion's `filter` and `sorts`), `get_database`, `search`, `append_blocks`, `blocks`. Values are
    written as in Notion's API; for the usual cases there are `title` and `text`.

    Pages come with plain values (`{Name: "Plan", Tags: ["a"]}`) unless `raw` is on; lists give one
    item per page or block, as many as `limit` takes.

    The credential is a `notion.token` whose integration the page or database is shared with.
    Refusals fail the item as `not_authenticated`, `forbidden`, `not_found` (or not shared),
    `conflict`, `refused` or `rate_limited`; short limits are waited out.
    """

    Parameters = NotionParameters
    vendor = NOTION
    type = "notion.page"
    title = "Notion"
    credential_types = NOTION.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "create", "database_id": "d9824bdc84454327be8b5b47500af6ce",
         "title": "{{ $json.subject }}", "title_property": "Name", "text": "{{ $json.text }}",
         "properties": {"Status": {"status": {"name": "Open"}}}},
        {"operation": "query_database", "database_id": "d9824bdc84454327be8b5b47500af6ce",
         "filter": {"property": "Done", "checkbox": {"equals": False}}, "limit": 50},
        {"operation": "append_blocks", "block_id": "59833787-2cf9-4fdf-8782-e53db20768a5",
         "text": "One more line."},
    )  # fmt: skip
    keywords = (
        "notion", "notion page", "notion database", "add to notion", "wiki", "knowledge base",
        "query database", "notion页面", "notion数据库", "写入notion", "知识库",
    )  # fmt: skip


# --- Notion's ways of writing


def _rich(text: str) -> list[JsonObject]:
    """A text as Notion writes it, in pieces as long as it takes them."""
    pieces = [text[at : at + _LONGEST_TEXT] for at in range(0, len(text), _LONGEST_TEXT)]
    return [{"type": "text", "text": {"content": piece}} for piece in pieces]


def _paragraphs(text: str | None) -> list[JsonObject]:
    return [
        {"object": "block", "type": "paragraph", "paragraph": {"rich_text": _rich(line)}}
        for line in (text or "").splitlines()
        if line.strip()
    ]


def _plain_page(member: Any) -> Any:
    """A page with the plain values of its properties."""
    if not isinstance(member, dict):
        return member
    page = cast("JsonObject", member)
    if page.get("object") != "page":
        return page
    kept = ("id", "url", "created_time", "last_edited_time", "archived")
    named: JsonObject = page.get("properties", {})
    values = {name: _plain(value) for name, value in named.items()}
    return {**{key: page[key] for key in kept if key in page}, "properties": values}


def _plain(value: Any) -> Any:
    """A property's value without what only Notion needs."""
    if not isinstance(value, dict) or "type" not in value:
        return cast("Any", value)
    wrapped = cast("JsonObject", value)
    kind: str = wrapped["type"]
    inner: Any = wrapped.get(kind)
    match kind:
        case "title" | "rich_text":
            return "".join(part.get("plain_text", "") for part in inner)
        case "select" | "status":
            return inner and inner.get("name")
        case "multi_select":
            return [option.get("name") for option in inner]
        case "people":
            return [one.get("name") or one.get("id") for one in inner]
        case "relation":
            return [page.get("id") for page in inner]
        case "formula" | "rollup":
            return _plain(inner)
        case "array":
            return [_plain(each) for each in inner]
        case _:
            return inner

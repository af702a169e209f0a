"""Notion: pages, databases, blocks."""

from typing import Any, cast

from engine_service.n8n.app import App, limit
from engine_service.n8n.mapping import CannotMap, Fields, NodeMapping
from shared.workflow import JsonObject

_PLAIN = "Its pages come as {id, url, properties} with plain values."


def _page_id(fields: Fields) -> Any:
    return fields.located("pageId") or fields.located("databasePageId")


def _simplified(fields: Fields) -> JsonObject:
    if fields.flag("simple", True):
        fields.differ(_PLAIN)
        return {}
    return {"raw": True}


def _create_page(fields: Fields) -> JsonObject:
    _no_blocks(fields)
    parent = {"parent_page_id": fields.located("pageId"), "title": fields.take("title")}
    return {"operation": "create", **parent, **_simplified(fields)}


def _create_row(fields: Fields) -> JsonObject:
    _no_blocks(fields)
    database = {"database_id": fields.located("databaseId"), "title": fields.take("title")}
    return {
        "operation": "create",
        **database,
        "properties": _properties(fields),
        **_simplified(fields),
    }


def _update_row(fields: Fields) -> JsonObject:
    page = {"page_id": _page_id(fields), "properties": _properties(fields)}
    return {"operation": "update", **page, **_simplified(fields)}


def _get(fields: Fields) -> JsonObject:
    fields.ignore("simplifyOutput")
    return {"operation": "get", "page_id": _page_id(fields), **_simplified(fields)}


def _archive(fields: Fields) -> JsonObject:
    return {"operation": "archive", "page_id": _page_id(fields), **_simplified(fields)}


def _query(fields: Fields) -> JsonObject:
    if fields.fixed("filterType", "none") not in ("none", "json"):
        raise CannotMap("It has a filter as a form; write it as Notion's filter yourself.")
    if fields.rows("options", "sort", "sortValue"):
        raise CannotMap("It sorts by a form; write it as Notion's sorts yourself.")
    fields.ignore("options")
    database = {"database_id": fields.located("databaseId"), "filter": fields.take("filterJson")}
    made = {"operation": "query_database", **database, **_simplified(fields)}
    return {**made, **limit(fields, 50)}


def _search(fields: Fields) -> JsonObject:
    fields.ignore("options")
    made = {"operation": "search", "query": fields.take("text"), **_simplified(fields)}
    return {**made, **limit(fields, 50)}


def _blocks(fields: Fields) -> JsonObject:
    return {"operation": "blocks", "block_id": fields.located("blockId"), **limit(fields, 50)}


def _database(fields: Fields) -> JsonObject:
    fields.ignore("simple")
    return {"operation": "get_database", "database_id": fields.located("databaseId")}


def _no_blocks(fields: Fields) -> None:
    if fields.rows("blockUi", "blockValues"):
        raise CannotMap("It writes blocks by a form; write them as 'text' or 'children' yourself.")


def _properties(fields: Fields) -> JsonObject:
    """Values by a form, as Notion writes them."""
    made: JsonObject = {}
    for row in fields.rows("propertiesUi", "propertyValues"):
        name, _, kind = row.text("key").partition("|")
        row.ignore("type", "richText")
        made[name] = _property(kind, row)
    return made


def _property(kind: str, row: Fields) -> JsonObject:
    match kind:
        case "title":
            return {"title": [{"text": {"content": row.take("title", "")}}]}
        case "rich_text":
            return {"rich_text": [{"text": {"content": row.take("textContent", "")}}]}
        case "number" | "checkbox":
            return {kind: row.take(f"{kind}Value")}
        case "url" | "email" | "phone_number":
            value = row.take(f"{'phone' if kind == 'phone_number' else kind}Value")
            return {kind: value}
        case "select" | "status":
            return {kind: {"name": row.take(f"{kind}Value")}}
        case "multi_select":
            names = row.take("multiSelectValue", [])
            if not isinstance(names, list):
                raise CannotMap("It computes the choices of a property; write them yourself.")
            return {kind: [{"name": name} for name in cast("list[str]", names)]}
        case _:
            raise CannotMap(f"It writes a property of the kind {kind!r}, which is not known here.")


_NOTION = App(
    "notion.page",
    {
        "page:create": _create_page,
        "page:get": _get,
        "page:archive": _archive,
        "page:search": _search,
        "databasePage:create": _create_row,
        "databasePage:get": _get,
        "databasePage:getAll": _query,
        "databasePage:update": _update_row,
        "database:get": _database,
        "block:getAll": _blocks,
    },
    "page",
    "create",
)

MAPPINGS = (NodeMapping(("n8n-nodes-base.notion",), _NOTION.translate),)

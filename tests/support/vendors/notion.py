"""Notion's API: a version in every request, pages by cursors in bodies and queries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Answer, Seen
from tests.support.vendors.fake import FakeVendor, Handle

TOKEN = "ntn_an-integration"


@dataclass
class FakeNotion(FakeVendor):
    """One database, `db`, with pages."""

    place: str = "https://api.notion.com"
    pages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    blocks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def routes(self) -> Mapping[str, Handle]:
        return {
            "POST /v1/pages": self._create,
            "GET /v1/pages/{page}": self._get,
            "PATCH /v1/pages/{page}": self._update,
            "POST /v1/databases/{database}/query": self._query,
            "POST /v1/search": self._search,
            "PATCH /v1/blocks/{block}/children": self._append,
            "GET /v1/blocks/{block}/children": self._children,
        }

    def refuse(self, seen: Seen) -> Answer | None:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return no(401, "unauthorized", "API token is invalid.")
        if seen.headers.get("notion-version") != "2022-06-28":
            return no(400, "missing_version", "Notion-Version header should be defined.")
        return None

    def _create(self, seen: Seen) -> Answer:
        body = seen.json()
        if not body["parent"].get("database_id") and not body["parent"].get("page_id"):
            return no(400, "validation_error", "body.parent should be defined")
        page = {"object": "page", "id": f"p{len(self.pages)}", "archived": False, **body}
        self.pages.append(page)
        return Answer.of_json(page)

    def _get(self, seen: Seen, page: str) -> Answer:
        found = [one for one in self.pages if one["id"] == page]
        missing = no(404, "object_not_found", f"Could not find page with ID: {page}.")
        return Answer.of_json(found[0]) if found else missing

    def _update(self, seen: Seen, page: str) -> Answer:
        for one in self.pages:
            if one["id"] == page:
                one["properties"].update(seen.json().get("properties", {}))
                one.update({"archived": seen.json().get("archived", one["archived"])})
        return self._get(seen, page)

    def _query(self, seen: Seen, database: str) -> Answer:
        return self._rows(seen.json(), self.pages) if database == "db" else no(404, "n", "no db")

    def _search(self, seen: Seen) -> Answer:
        return self._rows(seen.json(), self.pages)

    def _append(self, seen: Seen, block: str) -> Answer:
        self.blocks += seen.json()["children"]
        return Answer.of_json({"object": "list", "results": seen.json()["children"]})

    def _children(self, seen: Seen, block: str) -> Answer:
        return self._rows(seen.query, self.blocks)

    def _rows(self, asked: Mapping[str, Any], rows: list[dict[str, Any]]) -> Answer:
        start, size = int(asked.get("start_cursor", 0)), int(asked["page_size"])
        assert size <= 100
        more = start + size < len(rows)
        after = str(start + size) if more else None
        page = rows[start : start + size]
        return Answer.of_json({"results": page, "has_more": more, "next_cursor": after})


def no(status: int, code: str, message: str) -> Answer:
    """Notion's refusal."""
    said = {"object": "error", "status": status, "code": code, "message": message}
    return Answer.of_json(said, status)

"""Apps without a connector whose operation is one plain request: `http.request` sends it.

An operation is a method, an address, and a body of the node's own fields. What needs more than one
request, or data put together first, is in no table here and stays a placeholder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_AIRTABLE = "https://api.airtable.com/v0"
_TRELLO = "https://api.trello.com/1"

Build = Callable[[Fields], "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    method: str
    url: str
    body: JsonObject | None = None
    more: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class App:
    """An app's operations by `resource:operation`; the defaults are n8n's."""

    operations: dict[str, Build]
    resource: str
    operation: str

    def translate(self, node: SourceNode) -> Mapped:
        """The operation as a request.

        Raises:
            CannotMap: It is none of the table.
        """
        fields = node.fields
        fields.ignore("authentication")
        resource = str(fields.fixed("resource", self.resource))
        key = f"{resource}:{fields.fixed('operation', self.operation)}"
        if key not in self.operations:
            raise CannotMap(f"There is no counterpart of its operation {key!r} yet.")
        call = self.operations[key](fields)
        fields.differ("It is a plain HTTP request now, and gives the answer as it comes.")
        body = {} if call.body is None else {"body": _filled(call.body)}
        return Mapped("http.request", {"method": call.method, "url": call.url, **body, **call.more})


def _filled(body: JsonObject) -> JsonObject:
    """A body without what nobody wrote."""
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}


def _part(value: Any) -> str:
    """A value as a part of an address; expressions stay as they are."""
    text = str(value)
    return text if "{{" in text else quote(text, safe="@:-._~")


def _table(fields: Fields) -> str:
    base = fields.located("base") or fields.located("application")
    return f"{_AIRTABLE}/{_part(base)}/{_part(fields.located('table'))}"


def _airtable_get(fields: Fields) -> Call:
    return Call("GET", f"{_table(fields)}/{_part(fields.take('id', ''))}")


def _airtable_search(fields: Fields) -> Call:
    query = _filled({"filterByFormula": fields.take("filterByFormula")})
    more: JsonObject = {"query": query}
    pages = {"kind": "cursor", "path": "offset", "parameter": "offset", "items_path": "records"}
    if fields.flag("returnAll", True):
        more["pagination"] = pages
    else:
        more["query"] = {**query, "maxRecords": int(fields.number("limit", 100))}
        more["pagination"] = {**pages, "max_pages": 1}
    return Call("GET", _table(fields), None, more)


def _trello_card(fields: Fields) -> Call:
    more = fields.section("additionalFields")
    query = {
        "idList": fields.located("listId"),
        "name": fields.take("name"),
        "desc": fields.take("description"),
        "due": more.take("due"),
        "idLabels": more.take("idLabels"),
        "idMembers": more.take("idMembers"),
        "pos": more.take("pos"),
    }
    return Call("POST", f"{_TRELLO}/cards", None, {"query": _filled(query)})


_AIRTABLE_APP = App(
    {"record:get": _airtable_get, "record:search": _airtable_search}, "record", "read"
)
_TRELLO_APP = App({"card:create": _trello_card}, "card", "create")
MAPPINGS = (
    NodeMapping(("n8n-nodes-base.airtable",), _AIRTABLE_APP.translate),
    NodeMapping(("n8n-nodes-base.trello",), _TRELLO_APP.translate),
)

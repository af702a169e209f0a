"""GraphQL: a query with variables."""

import json
from typing import Any

from engine_service.n8n.app import filled
from engine_service.n8n.expressions import is_expression
from engine_service.n8n.mapping import CannotMap, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject


def _graphql(node: SourceNode) -> Mapped:
    fields = node.fields
    fields.ignore("requestFormat", "authentication")
    if fields.fixed("requestMethod", "POST") != "POST":
        raise CannotMap("It asks by GET; only POST is known here.")
    if fields.fixed("responseFormat", "json") != "json":
        raise CannotMap("It gives the answer as text; only JSON is known here.")
    rows = fields.rows("headerParametersUi", "parameter")
    headers = {row.text("name"): row.take("value", "") for row in rows}
    url, query = fields.take("endpoint", ""), fields.verbatim("query", "")
    variables = _variables(fields.take("variables"))
    if is_expression(query):
        # Its text is put together when the workflow runs, which a query's braces do not allow here.
        fields.differ("It is a plain HTTP request now: errors in the answer do not fail it.")
        body = filled({"query": fields.take("query"), "variables": variables})
        return Mapped(
            "http.request", filled({"method": "POST", "url": url, "body": body, "headers": headers})
        )
    made: JsonObject = {"url": url, "query": query, "variables": variables, "headers": headers}
    name = fields.take("operationName")
    return Mapped("graphql.request", {**filled({**made, "operation_name": name}), "items_path": ""})


def _variables(written: Any) -> Any:
    """Variables as an object, as far as they are known."""
    if not isinstance(written, str) or "{{" in written:
        return written
    try:
        return json.loads(written) if written else None
    except ValueError as error:
        raise CannotMap("Its variables are not JSON.") from error


MAPPINGS = (NodeMapping(("n8n-nodes-base.graphql",), _graphql),)

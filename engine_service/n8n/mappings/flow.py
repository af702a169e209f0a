"""What steers a run: loops, waits, answers and ends."""

from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.sdk.node import MAIN
from shared.workflow import JsonObject

_UNITS = {"seconds": "seconds", "minutes": "minutes", "hours": "hours", "days": "days"}
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_ANSWERS = {
    "allIncomingItems": "all_items", "firstIncomingItem": "first_item", "json": "json",
    "noData": "nothing", "redirect": "redirect", "text": "text",
}  # fmt: skip

_UNDER_A_KEY = {"first_item": "{{ $json }}", "all_items": "{{ $items.map((one) => one.json) }}"}


def _noop(node: SourceNode) -> Mapped:
    del node
    return Mapped("flow.noop", {})


def _loop(node: SourceNode) -> Mapped:
    """Split in Batches, later called Loop Over Items."""
    fields = node.fields
    default = 10 if node.version < 3 else 1
    size = int(fields.number("batchSize", default))
    outputs = ("done", "loop") if node.version >= 3 else ("loop", "done")
    if fields.section("options").verbatim("reset"):
        fields.differ("It never begins anew in the middle; its option 'reset' has no counterpart.")
    return Mapped("flow.loop", {"batch_size": size}, outputs=outputs)


def _wait(node: SourceNode) -> Mapped:
    fields = node.fields
    match fields.fixed("resume", "timeInterval"):
        case "timeInterval":
            first = node.version < 1.1
            amount, unit = (1, "hours") if first else (5, "seconds")
            parameters: JsonObject = {
                "amount": fields.take("amount", amount),
                "unit": fields.choice("unit", _UNITS, unit),
            }
            return Mapped("flow.wait", parameters)
        case "specificTime":
            return Mapped("flow.wait", {"mode": "until", "until": fields.take("dateTime")})
        case "webhook":
            return _callback(fields)
        case other:
            raise CannotMap(f"There is no counterpart of resuming by {other!r}.")


def _callback(fields: Fields) -> Mapped:
    fields.ignore("httpMethod", "responseMode", "options", "incomingAuthentication")
    fields.differ("The address to call is this run's callback address, not $execution.resumeUrl.")
    if not fields.flag("limitWaitTime"):
        return Mapped("flow.wait", {"mode": "callback"})
    if fields.fixed("limitType", "afterTimeInterval") != "afterTimeInterval":
        raise CannotMap("A wait for a call can end after some time, not at a moment.")
    unit = fields.choice("resumeUnit", _SECONDS, "hours")
    seconds = fields.number("resumeAmount", 1) * unit
    parameters = {"mode": "callback", "timeout": seconds}
    return Mapped("flow.wait", parameters, outputs=((MAIN, "timeout"),))


def _respond(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    how = fields.choice("respondWith", _ANSWERS, "firstIncomingItem")
    parameters: JsonObject = {"respond_with": how}
    if how in ("json", "text"):
        parameters["body"] = fields.take("responseBody", "")
    elif how == "redirect":
        parameters["location"] = fields.take("redirectURL", "")
    fields.ignore("responseBody", "redirectURL")
    if options.has("responseCode"):
        parameters["status"] = options.take("responseCode")
    headers = {
        row.text("name"): row.take("value", "")
        for row in options.rows("responseHeaders", "entries")
    }
    if headers:
        parameters["headers"] = headers
    if how in _UNDER_A_KEY and (key := options.text("responseKey")):
        parameters.update(respond_with="json", body=_nested(key, _UNDER_A_KEY[how]))
    return Mapped("flow.respond", parameters)


def _nested(key: str, value: str) -> JsonObject:
    """A body that holds a value under a key, in which dots reach deeper."""
    body: Any = value
    for step in reversed(key.split(".")):
        body = {step: body}
    return body


def _stop(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.fixed("errorType", "errorMessage") == "errorObject":
        fields.differ("The error's object becomes its message.")
        message: Any = fields.take("errorObject", "{}")
    else:
        message = fields.take("errorMessage", "")
    return Mapped("flow.stop", {"message": message or "Stopped"})


def _call(node: SourceNode) -> Mapped:
    """Execute Workflow, by id; what stands in a file or in the node itself has no id."""
    fields = node.fields
    parameters: JsonObject = {}
    match fields.fixed("source", "database"):
        case "database":
            wanted: Any = fields.located("workflowId", "")
            parameters["workflow"] = wanted if isinstance(wanted, str) else str(wanted)
            fields.differ("It names the workflow by its id in n8n; name it by its id or name here.")
        case "parameter":
            raise CannotMap("Import the workflow that stands in it by itself, and call that.")
        case other:
            raise CannotMap(f"There is no counterpart of a workflow from {other!r}.")
    if fields.fixed("mode", "once") == "once":
        parameters["mode"] = "once"
    if not fields.section("options").flag("waitForSubWorkflow", True):
        parameters["wait"] = False
    inputs = fields.section("workflowInputs")
    inputs.ignore("mappingMode", "matchingColumns", "schema", "attemptToConvertTypes",
                  "convertFieldsToString")  # fmt: skip
    if values := inputs.take("value"):
        parameters["input"] = values
        if parameters.get("mode") == "once":
            fields.differ("The input is filled once, for the first item, not for each.")
    return Mapped("flow.call", parameters)


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.noOp",), _noop),
    NodeMapping(("n8n-nodes-base.splitInBatches",), _loop),
    NodeMapping(("n8n-nodes-base.wait",), _wait),
    NodeMapping(("n8n-nodes-base.respondToWebhook",), _respond),
    NodeMapping(("n8n-nodes-base.stopAndError",), _stop),
    NodeMapping(("n8n-nodes-base.executeWorkflow",), _call),
)

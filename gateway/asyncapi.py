"""The AsyncAPI document: what the event streams say, from the models that engine and agent write.

`make docs` writes it to `asyncapi.json` beside this file, which is what the gateway serves: the
models of all events are nothing that a gateway needs in memory.
"""

from collections.abc import Mapping
from importlib.metadata import version
from inspect import getdoc
from typing import Any

from pydantic import BaseModel

from shared.run_events import RUN_EVENTS, TERMINAL
from shared.session_events import SESSION_EVENTS, TurnCompleted

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Event streams are server-sent events (HTML, 9.2): `id` is the event's sequence, `event` its type, \
`data` one JSON object, as described here. `Last-Event-ID` or `?after=` resumes behind an event \
without gap or repeat; a comment comes every 15 seconds; the stream closes after the last event. \
Whoever leaves stops nothing. Requests are described by `/openapi.json`.
"""
_TOKEN = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def describe() -> Schema:
    """The document."""
    schemas: Schema = {}
    runs = _messages("run", RUN_EVENTS, schemas)
    sessions = _messages("session", SESSION_EVENTS, schemas)
    last = ", ".join(f"`{kind}`" for kind in sorted(TERMINAL))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Flowloom's event streams",
            "version": version("flowloom"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "run": _channel("run", runs, f"A run's history. The last event is one of {last}."),
            "session": _channel(
                "session",
                sessions,
                f"A conversation. A turn's last event is `{TurnCompleted.type}`.",
            ),
        },
        "operations": {
            "watch_run": _operation("run", "GET", "Follow a run to its end."),
            "watch_session": _operation("session", "GET", "Follow the turn under way to its end."),
            "converse": _operation(
                "session",
                "POST",
                "Say something (`/v1/sessions/{session_id}/messages`) and follow.",
            ),
        },
        "components": {
            "messages": {**runs, **sessions},
            "schemas": schemas,
            "securitySchemes": {"bearer": _TOKEN},
        },
    }


def _messages(noun: str, events: Mapping[str, type[BaseModel]], schemas: Schema) -> Schema:
    """A message for each type of event; what their data looks like goes to the schemas."""
    messages: Schema = {}
    for kind, model in events.items():
        schema = model.model_json_schema(ref_template=_REF)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
        messages[f"{noun}.{kind}"] = {
            "name": kind,
            "summary": (getdoc(model) or "").partition("\n")[0],
            "payload": _event(noun, kind, model.__name__),
        }
    return messages


def _event(noun: str, kind: str, model: str) -> Schema:
    properties: Schema = {
        f"{noun}_id": {"type": "string"},
        "sequence": {"type": "integer", "minimum": 1, "description": "The event's `id`, too"},
        "type": {"const": kind},
        "time": {"type": "string", "format": "date-time"},
        "data": {"$ref": _REF.format(model=model)},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _channel(noun: str, messages: Schema, description: str) -> Schema:
    return {
        "address": f"/v1/{noun}s/{{{noun}_id}}/events",
        "description": description,
        "parameters": {f"{noun}_id": {"description": f"The {noun}"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(noun: str, method: str, summary: str) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{noun}"},
        "summary": summary,
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
        "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
    }

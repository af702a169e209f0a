"""The OpenAPI document: FastAPI's own, completed with what the mesh's messages look like.

Schemas of messages come from the protos, so the document cannot drift from the wire; every
operation is told how it fails and, below /v1, that it wants an access token.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.wire import enum_name
from shared import workflow
from shared.pb.flowloom.agent.v1 import (
    consultant_service_pb2,
    knowledge_service_pb2,
    session_pb2,
    session_service_pb2,
)
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    credential_pb2,
    credential_service_pb2,
    node_type_pb2,
    node_type_service_pb2,
    run_pb2,
    run_service_pb2,
    simulation_service_pb2,
    trigger_pb2,
    trigger_service_pb2,
    usage_pb2,
    usage_service_pb2,
    variable_pb2,
    variable_service_pb2,
    version_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)

Schema = dict[str, Any]

_DESCRIPTION = """\
Says what you want, gets it as a workflow, runs it durably, watches it live.

Sign in through `/auth/v1` and send the access token as `Authorization: Bearer …`. Every POST takes
an `Idempotency-Key`. Errors are `application/problem+json`. Lists page with `page_size` and
`page_token`. Event streams resume with `Last-Event-ID`.
"""
_REF = "#/components/schemas/"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
MESSAGE_FILES = (
    consultant_service_pb2,
    knowledge_service_pb2,
    session_pb2,
    session_service_pb2,
    approval_pb2,
    approval_service_pb2,
    credential_pb2,
    credential_service_pb2,
    node_type_pb2,
    node_type_service_pb2,
    run_pb2,
    run_service_pb2,
    simulation_service_pb2,
    trigger_pb2,
    trigger_service_pb2,
    usage_pb2,
    usage_service_pb2,
    variable_pb2,
    variable_service_pb2,
    version_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)
_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
}
_SPECIAL: Mapping[str, Schema] = {
    "flowloom.common.v1.Document": {"description": "Any JSON"},
    "google.protobuf.Timestamp": {"type": ["string", "null"], "format": "date-time"},
}
_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457)",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable, UPPER_SNAKE"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "Where in the body (RFC 6901), or ?name of a parameter",
                    },
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "suggestion": {"type": "string"},
                },
                "required": ["pointer", "code", "message", "suggestion"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"],
}
_FAILURE: Schema = {
    "description": "It failed",
    "content": {"application/problem+json": {"schema": {"$ref": f"{_REF}Problem"}}},
}
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeating the request with its key repeats the answer, not the deed; "
    "another request with the same key is refused with 422",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_HOOK: Schema = {
    "tags": ["hooks"],
    "summary": "Deliver to a webhook",
    "description": "Any method, any body: the trigger behind the path verifies and answers it.",
    "parameters": [
        {"name": "path", "in": "path", "required": True, "schema": {"type": "string"}},
    ],
    "responses": {"200": {"description": "Whatever the trigger says"}, "default": _FAILURE},
}

_ANY_BODY: Schema = {"requestBody": {"content": {"*/*": {}}}}


def describe(app: FastAPI) -> Schema:
    """The document of an application."""
    document = get_openapi(
        title="Flowloom",
        version=version("flowloom"),
        description=_DESCRIPTION,
        routes=app.routes,
    )
    schemas: dict[str, Schema] = document.setdefault("components", {}).setdefault("schemas", {})
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM
    schemas.update(_definition_schemas())
    for path, operations in document["paths"].items():
        for method in _METHODS & operations.keys():
            _complete(path, method, operations[method])
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["operationId"] = route.name
    for method in ("get", "post"):
        body = _ANY_BODY if method == "post" else {}
        operation: Schema = {**_HOOK, **body, "operationId": f"deliver_{method}"}
        document["paths"].setdefault("/v1/hooks/{path}", {})[method] = operation
    _add_messages(document["paths"], schemas)
    _resolve(document)
    return document


def _complete(path: str, method: str, operation: Schema) -> None:
    responses: Schema = operation["responses"]
    responses.pop("422", None)
    responses["default"] = _FAILURE
    if path.startswith("/v1/"):
        operation["security"] = [{"bearer": []}]
        parameters: list[Schema] = operation.setdefault("parameters", [])
        keyed = any(known["name"].lower() == "idempotency-key" for known in parameters)
        if method == "post" and not keyed:
            parameters.append(_IDEMPOTENCY_KEY)


def _definition_schemas() -> dict[str, Schema]:
    schema = workflow.Workflow.model_json_schema(ref_template=f"{_REF}{{model}}")
    return {**schema.pop("$defs", {}), "WorkflowDefinition": schema}


def _add_messages(paths: Schema, schemas: dict[str, Schema]) -> None:
    """Describe every message that is referred to, and what those refer to."""
    messages: dict[str, Descriptor] = {}
    for file in MESSAGE_FILES:
        messages |= cast("Mapping[str, Descriptor]", file.DESCRIPTOR.message_types_by_name)
    wanted = list(_refs(paths))
    while wanted:
        name = wanted.pop()
        if name in schemas:
            continue
        for field in messages[name].fields:
            if field.enum_type:
                schemas.setdefault(field.enum_type.name, _enum(field.enum_type))
        schemas[name] = _message(messages[name])
        wanted.extend(_refs(schemas[name]))


def _message(descriptor: Descriptor) -> Schema:
    names = [field.name for field in descriptor.fields]
    properties = {field.name: _field(field) for field in descriptor.fields}
    return {"type": "object", "properties": properties, "required": names}


def _field(field: FieldDescriptor) -> Schema:
    schema = _single(field)
    if field.is_repeated:
        return {"type": "array", "items": schema}
    may_be_absent = field.enum_type or field.has_presence
    return {"anyOf": [schema, {"type": "null"}]} if may_be_absent and "$ref" in schema else schema


def _single(field: FieldDescriptor) -> Schema:
    if field.enum_type:
        return {"$ref": f"{_REF}{field.enum_type.name}"}
    if not field.message_type:
        return _SCALARS[field.cpp_type]
    special = _SPECIAL.get(field.message_type.full_name)
    return special or {"$ref": f"{_REF}{field.message_type.name}"}


def _enum(descriptor: EnumDescriptor) -> Schema:
    names = [enum_name(descriptor, value.number) for value in descriptor.values]
    return {"type": "string", "enum": [name for name in names if name]}


def _resolve(node: object) -> None:
    """Make references of what Pydantic could only be told to mark."""
    if isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        if name := members.pop("x-schema", None):
            members.pop("type")
            members["$ref"] = f"{_REF}{name}"
        for value in members.values():
            _resolve(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            _resolve(value)


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in cast("dict[str, object]", node).items():
            if name == "$ref" and isinstance(value, str):
                yield value.removeprefix(_REF)
            else:
                yield from _refs(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from _refs(value)

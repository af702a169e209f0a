"""REST and the protos say the same things by the same names, in both directions.

An operation is the RPC whose name its function has; what it takes in path, query, body and header
is what the request message has, no more and no less.
"""

import re
from collections.abc import Iterator, Mapping
from enum import EnumMeta
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from pydantic import BaseModel

from gateway import openapi
from gateway.app import build_rest
from gateway.wire import WireEnum, enum_name
from tests.support.scripted_mesh import service_descriptors

APP = build_rest()
METHODS = {method.name: method for service in service_descriptors() for method in service.methods}
ROUTES = {
    route.endpoint.__name__: route
    for route in APP.routes
    if isinstance(route, APIRoute) and route.path.startswith("/v1/") and route.include_in_schema
}
# What REST says in a header, and what the gateway adds itself.
HEADERS: Mapping[str, str] = {"if_match": "etag"}
ADDED: Mapping[str, set[str]] = {
    "search_knowledge": {"kind"},
    "connect_credential": {"redirect_uri"},
}
# Compositions: the stored definition takes the place of one in the body.
COMPOSED = {"validate_stored_workflow": {"definition"}, "simulate_stored_workflow": {"definition"}}
NOT_AN_RPC_OF_ITS_OWN = {"validate_stored_workflow": "ValidateWorkflow"} | {
    "simulate_stored_workflow": "SimulateWorkflow"
}
# RPCs that are no REST operation: hooks are raw, consent comes back to a page, links open one, and
# forms and chats are pages; the MCP server speaks a protocol of its own.
RAW = {"FireWebhook", "FinishConnect", "OpenApprovalLink", "AnswerApprovalLink", "OpenPage"} | {
    "ListTools",
    "CallTool",
}
SEQUENCE = {"after": "after_sequence"}


def rpc_name(endpoint: str) -> str:
    return NOT_AN_RPC_OF_ITS_OWN.get(endpoint) or "".join(
        part.capitalize() for part in endpoint.split("_")
    )


def taken(route: APIRoute) -> Iterator[str]:
    """The names of everything an operation takes from the caller."""
    dependant = route.dependant
    for parameter in [*dependant.path_params, *dependant.query_params, *dependant.header_params]:
        annotation: Any = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from annotation.model_fields
        else:
            yield HEADERS.get(parameter.name, SEQUENCE.get(parameter.name, parameter.name))
    yield from body_fields(route)


def body_fields(route: APIRoute) -> Iterator[str]:
    for parameter in route.dependant.body_params:
        for annotation in _models(parameter.field_info.annotation):
            yield from annotation.model_fields


def _models(annotation: Any) -> list[type[BaseModel]]:
    options = getattr(annotation, "__args__", (annotation,))
    return [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]


@pytest.mark.parametrize("endpoint", ROUTES)
def test_an_operation_takes_what_its_request_message_has(endpoint: str) -> None:
    method = METHODS[rpc_name(endpoint)]
    fields = {field.name for field in method.input_type.fields}
    names = set(taken(ROUTES[endpoint])) | ADDED.get(endpoint, set())
    names |= COMPOSED.get(endpoint, set())
    if endpoint.endswith("_stored_workflow"):
        names.discard("workflow_id")
    assert names == fields


def test_every_rpc_is_an_operation() -> None:
    assert {rpc_name(endpoint) for endpoint in ROUTES} | RAW == set(METHODS)


@pytest.mark.parametrize("endpoint", [name for name in ROUTES if [*body_fields(ROUTES[name])]])
def test_a_body_has_the_name_of_its_message(endpoint: str) -> None:
    [parameter] = ROUTES[endpoint].dependant.body_params
    [model] = _models(parameter.field_info.annotation)
    expected = "".join(part.capitalize() for part in endpoint.split("_"))
    assert model.__name__ == expected


@pytest.mark.parametrize("enum", WireEnum.__subclasses__(), ids=lambda enum: enum.__name__)
def test_an_enum_has_the_values_of_the_proto(enum: EnumMeta) -> None:
    descriptors = {
        name: descriptor
        for file in openapi.MESSAGE_FILES
        for name, descriptor in cast(
            "Mapping[str, EnumDescriptor]", file.DESCRIPTOR.enum_types_by_name
        ).items()
    }
    descriptor = descriptors[enum.__name__]
    named = {enum_name(descriptor, value.number) for value in descriptor.values} - {None}
    assert named == {cast("WireEnum", member).value for member in enum}


def test_every_answer_is_described_by_the_message_it_is() -> None:
    document = APP.openapi()
    schemas = document["components"]["schemas"]
    described: dict[str, Descriptor] = {
        name: message
        for file in openapi.MESSAGE_FILES
        for name, message in file.DESCRIPTOR.message_types_by_name.items()
        if name in schemas and not name.endswith("Request")
    }
    assert {"Workflow", "Run", "RunEvent", "Session", "SessionEvent", "Approval"} <= set(described)
    for name, message in described.items():
        assert list(schemas[name]["properties"]) == [field.name for field in message.fields]


def test_paths_are_resources_and_verbs() -> None:
    shape = re.compile(r"(/v1)(/[a-z-]+(/\{[a-z_]+\})?)+(:[a-z]+)?")
    assert [route for route in ROUTES.values() if not shape.fullmatch(route.path_format)] == []

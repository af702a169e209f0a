"""Node types over gRPC: what the catalogue says of each, with nothing lost on the way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine_service.catalogue import builtin, describe
from engine_service.servicers.node_types import NodeTypeServicer
from shared.errors import NotFound
from shared.pb.flowloom.engine.v1 import (
    node_type_pb2,
    node_type_service_pb2,
    node_type_service_pb2_grpc,
)
from tests.support.serving import ADA, acting_as, serving


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Any]:
    service = (node_type_service_pb2_grpc, "NodeTypeService", NodeTypeServicer(builtin()))
    async with serving(tmp_path, [service]) as channel:
        with acting_as(ADA):
            yield node_type_service_pb2_grpc.NodeTypeServiceStub(channel)


async def list_types(stub: Any, family: str = "") -> list[node_type_pb2.NodeType]:
    request = node_type_service_pb2.ListNodeTypesRequest(family=family)
    return list((await stub.ListNodeTypes(request)).node_types)


async def get(stub: Any, name: str) -> node_type_pb2.NodeType:
    request = node_type_service_pb2.GetNodeTypeRequest(type=name)
    return (await stub.GetNodeType(request)).node_type


async def test_every_type_is_listed_by_family_and_name(stub: Any) -> None:
    listed = await list_types(stub)
    names = [one.type for one in listed]
    assert names == sorted(one.type for one in builtin())
    assert [await get(stub, name) for name in names] == listed
    assert [one.type for one in await list_types(stub, "human")] == ["human.approval", "human.form"]
    assert await list_types(stub, "nothing") == []


async def test_a_type_says_what_it_is(stub: Any) -> None:
    told = await get(stub, "http.request")
    known = describe(type(builtin().get("http.request")))
    assert (told.title, told.family, told.version) == (known.title, "http", known.version)
    assert told.effect == node_type_pb2.NODE_EFFECT_KEYED
    assert json.loads(told.parameters_schema.json) == known.schema
    assert json.loads(told.examples.json) == list(known.examples)
    assert told.documentation.startswith(told.description)


@pytest.mark.parametrize("name", ["http.requst", "", "\x00", "x" * 1_000_000])
async def test_an_unknown_type_is_not_found(stub: Any, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        await get(stub, name)
    assert caught.value.code == "NODE_TYPE_NOT_FOUND"

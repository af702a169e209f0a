"""Node types: what workflows can be made of."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import reply, returns
from gateway.shapes import Count, Text
from gateway.wire import to_pb
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2
from shared.pb.flowloom.engine.v1 import node_type_pb2, node_type_service_pb2

router = APIRouter(prefix="/v1/node-types", tags=["node types"], route_class=UserRoute)


class ListNodeTypes(BaseModel):
    """Which node types."""

    family: Text = Field(default="", description="trigger, flow, data, code, action, ai or human")


class SearchKnowledge(BaseModel):
    """What is looked for."""

    query: Text = Field(min_length=1, description="In plain words")
    limit: Count = Field(default=0, description="At most this many; 8 when 0, at most 50")


@router.get("", **returns(node_type_service_pb2.ListNodeTypesResponse))
async def list_node_types(
    query: Annotated[ListNodeTypes, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(node_type_service_pb2.ListNodeTypesRequest, query)
    return reply(await clients.node_types.ListNodeTypes(request))


@router.get(":search", **returns(knowledge_service_pb2.SearchKnowledgeResponse))
async def search_knowledge(
    query: Annotated[SearchKnowledge, Query()], clients: ClientsPart
) -> Response:
    """Search node types by meaning and by words, as the consultant does."""
    request = to_pb(knowledge_service_pb2.SearchKnowledgeRequest, query, kind="node")
    return reply(await clients.knowledge.SearchKnowledge(request))


@router.get("/{type:id}", **returns(node_type_pb2.NodeType))
async def get_node_type(type: str, clients: ClientsPart) -> Response:  # noqa: A002 (the field's name)
    request = node_type_service_pb2.GetNodeTypeRequest(type=type)
    return reply((await clients.node_types.GetNodeType(request)).node_type)

"""Node types: what workflows can be made of, as the catalogue describes it."""

from typing import Any

from engine_service.catalogue import Catalogue, NodeTypeNotFound, describe
from engine_service.wire import workflows as wire
from shared.pb.flowloom.engine.v1 import node_type_service_pb2, node_type_service_pb2_grpc
from shared.rpc import call

_LONGEST_NAME = 80


class NodeTypeServicer(node_type_service_pb2_grpc.NodeTypeServiceServicer):
    """flowloom.engine.v1.NodeTypeService."""

    def __init__(self, catalogue: Catalogue) -> None:
        descriptions = sorted(
            (describe(type(node_type)) for node_type in catalogue),
            key=lambda description: description.type,
        )
        self._catalogue = catalogue
        self._messages = {one.type: wire.to_node_type(one) for one in descriptions}

    async def ListNodeTypes(
        self, request: node_type_service_pb2.ListNodeTypesRequest, context: Any
    ) -> node_type_service_pb2.ListNodeTypesResponse:
        call.caller()
        return node_type_service_pb2.ListNodeTypesResponse(
            node_types=[
                message
                for message in self._messages.values()
                if request.family in ("", message.family)
            ]
        )

    async def GetNodeType(
        self, request: node_type_service_pb2.GetNodeTypeRequest, context: Any
    ) -> node_type_service_pb2.GetNodeTypeResponse:
        call.caller()
        if len(request.type) > _LONGEST_NAME:
            raise NodeTypeNotFound("There is no node type with a name as long as this.")
        node_type = self._catalogue.get(request.type)
        return node_type_service_pb2.GetNodeTypeResponse(node_type=self._messages[node_type.type])

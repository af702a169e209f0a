"""No Operation: hands its items on."""

from engine_service.n8n.mapping import Mapped, NodeMapping, SourceNode


def _noop(node: SourceNode) -> Mapped:
    del node
    return Mapped("flow.noop", {})


MAPPINGS = (NodeMapping(("n8n-nodes-base.noOp",), _noop),)

"""What became of an imported document, as the messages of the contract."""

from engine_service.n8n import NodeReport, Report, SourceFormat, Verdict
from shared.pb.flowloom.engine.v1 import workflow_service_pb2

_FORMATS = {
    SourceFormat.FLOWLOOM: workflow_service_pb2.IMPORT_FORMAT_FLOWLOOM,
    SourceFormat.N8N: workflow_service_pb2.IMPORT_FORMAT_N8N,
}
_VERDICTS = {
    Verdict.MAPPED: workflow_service_pb2.IMPORT_VERDICT_MAPPED,
    Verdict.DIFFERENT: workflow_service_pb2.IMPORT_VERDICT_MAPPED_WITH_DIFFERENCE,
    Verdict.UNMATCHED: workflow_service_pb2.IMPORT_VERDICT_UNMATCHED,
}


def to_import_report(report: Report) -> workflow_service_pb2.ImportReport:
    """A report."""
    return workflow_service_pb2.ImportReport(
        format=_FORMATS[report.format], nodes=map(_node, report.nodes), notes=report.notes
    )


def _node(node: NodeReport) -> workflow_service_pb2.ImportedNode:
    return workflow_service_pb2.ImportedNode(
        name=node.name,
        type=node.type,
        version=node.version,
        verdict=_VERDICTS[node.verdict],
        node_id=node.node_id,
        mapped_to=node.mapped_to,
        differences=node.differences,
    )

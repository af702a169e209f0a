"""The importer of n8n's workflows: JSON as n8n exports it becomes a definition and a report.

Pure: a document comes in; nodes, edges, settings and notes go out, with a line for every node that
says whether it is mapped, mapped with a difference, or kept as a placeholder. Nothing is dropped
without a word. `importer.py` tells the story; `mappings/` holds one file per family of nodes.
"""

from engine_service.n8n.importer import Imported, import_document
from engine_service.n8n.report import NodeReport, Report, SourceFormat, Verdict

__all__ = ["Imported", "NodeReport", "Report", "SourceFormat", "Verdict", "import_document"]

"""One file per family of n8n's nodes; one line here for each."""

from engine_service.n8n.mapping import NodeMapping
from engine_service.n8n.mappings import conditions, merge, noop, set_fields, triggers

MAPPINGS: tuple[NodeMapping, ...] = (
    *triggers.MAPPINGS,
    *set_fields.MAPPINGS,
    *conditions.MAPPINGS,
    *merge.MAPPINGS,
    *noop.MAPPINGS,
)

"""One file per family of n8n's nodes; one line here for each."""

from engine_service.n8n.mapping import NodeMapping
from engine_service.n8n.mappings import (
    ai,
    apps,
    code,
    conditions,
    crypto,
    documents,
    files,
    flow,
    http,
    items,
    merge,
    moments,
    people,
    protocols,
    set_fields,
    triggers,
)

MAPPINGS: tuple[NodeMapping, ...] = (
    *triggers.MAPPINGS,
    *people.MAPPINGS,
    *flow.MAPPINGS,
    *conditions.MAPPINGS,
    *merge.MAPPINGS,
    *set_fields.MAPPINGS,
    *items.MAPPINGS,
    *documents.MAPPINGS,
    *files.MAPPINGS,
    *moments.MAPPINGS,
    *crypto.MAPPINGS,
    *code.MAPPINGS,
    *http.MAPPINGS,
    *ai.MAPPINGS,
    *apps.MAPPINGS,
    *protocols.MAPPINGS,
)

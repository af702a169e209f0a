"""The engine's own catalogue as the agent sees it, without a server between them."""

from functools import cache

from agent_service.catalogue import Catalogue, NodeType
from engine_service.catalogue import builtin, describe


@cache
def engine_catalogue() -> Catalogue:
    """Every node type of this release."""
    described = (describe(type(node_type)) for node_type in builtin())
    return Catalogue.of(
        NodeType(
            type=one.type,
            version=one.version,
            family=one.family,
            title=one.title,
            description=one.description,
            documentation=one.documentation,
            parameters_schema=one.schema,
            inputs=tuple(one.inputs),
            outputs=tuple(one.outputs),
            examples=tuple(one.examples),
            credential_types=tuple(one.credential_types),
            keywords=tuple(one.keywords),
        )
        for one in described
    )

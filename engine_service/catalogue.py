"""The catalogue: every node type and trigger there is, by name and version.

The engine asks it for the type of a node, the editor and the agent for what a type is: `describe`
derives all of that from the class, so nothing about a type is written down twice.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from engine_service.nodes import NODES
from engine_service.sdk.node import Effect, NodeType
from engine_service.triggers import TRIGGERS
from shared.errors import NotFound
from shared.workflow import JsonObject

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class NodeTypeNotFound(NotFound):
    """There is no node type of this name and version."""

    reason = "NODE_TYPE_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Description:
    """What a node type is, for people, editors and models.

    Attributes:
        description: The first line of its documentation.
        documentation: All of it, in Markdown.
        schema: The JSON Schema of its parameters (2020-12). A string with `{{ … }}` may stand for
            any value.
        keywords: Words by which people ask for it, in English and Chinese.
        is_trigger: Whether it begins runs.
        attachments: Kinds of what can be attached to it.
        attaches_as: Kinds as which it can be attached itself.
    """

    type: str
    version: int
    family: str
    title: str
    description: str
    documentation: str
    schema: JsonObject
    inputs: Sequence[str]
    outputs: Sequence[str]
    examples: Sequence[JsonObject]
    effect: Effect
    keywords: Sequence[str]
    credential_types: Sequence[str]
    is_trigger: bool
    attachments: Sequence[str] = ()
    attaches_as: Sequence[str] = ()


class Catalogue:
    """Node types by name and version; their instances have no state and serve everybody."""

    def __init__(self, types: Sequence[type[NodeType[Any]]]) -> None:
        self._by_name: dict[str, dict[int, NodeType[Any]]] = {}
        for node_type in types:
            versions = self._by_name.setdefault(node_type.type, {})
            if node_type.version in versions:
                raise ValueError(f"{node_type.type} {node_type.version} is there twice")
            versions[node_type.version] = node_type()

    def __iter__(self) -> Iterator[NodeType[Any]]:
        """Every type in its latest version, in the order of the lists."""
        return (versions[max(versions)] for versions in self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str, version: int | None = None) -> NodeType[Any] | None:
        """The type of this name and version, the latest when none is named."""
        versions = self._by_name.get(name)
        if versions is None:
            return None
        return versions.get(max(versions) if version is None else version)

    def get(self, name: str, version: int | None = None) -> NodeType[Any]:
        """The type of this name and version, the latest when none is named.

        Raises:
            NodeTypeNotFound: There is none; the message names the nearest.
        """
        found = self.find(name, version)
        if found is None:
            wanted = name if version is None else f"{name} version {version}"
            nearest = self.nearest(name)
            hint = f" Did you mean {nearest!r}?" if nearest and nearest != name else ""
            raise NodeTypeNotFound(f"There is no node type {wanted}.{hint}")
        return found

    def nearest(self, name: str) -> str | None:
        """The name most like this one, or None when none is."""
        matches = get_close_matches(name, self._by_name, n=1, cutoff=0.5)
        if matches:
            return matches[0]
        last = name.rpartition(".")[2]
        return next((known for known in self._by_name if known.endswith(f".{last}")), None)


@cache
def builtin() -> Catalogue:
    """The types that come with the engine."""
    return Catalogue([*TRIGGERS, *NODES])


@cache
def describe(node_type: type[NodeType[Any]]) -> Description:
    """What a type is; made once, since the answer never changes."""
    documentation = inspect.getdoc(node_type) or ""
    return Description(
        type=node_type.type,
        version=node_type.version,
        family=node_type.family(),
        title=node_type.title,
        description=documentation.partition("\n")[0],
        documentation=documentation,
        schema=schema_of(node_type),
        inputs=node_type.inputs,
        outputs=node_type.outputs,
        examples=node_type.examples,
        effect=node_type.effect,
        keywords=node_type.keywords,
        credential_types=node_type.credential_types,
        is_trigger=node_type in TRIGGERS,
        attachments=tuple(node_type.attachments),
        attaches_as=node_type.attaches_as(),
    )


@cache
def schema_of(node_type: type[NodeType[Any]]) -> JsonObject:
    """The JSON Schema (2020-12) of a type's parameters."""
    return {"$schema": SCHEMA_DIALECT, **node_type.Parameters.model_json_schema(by_alias=True)}

"""Where passages come from: the engine's catalogue, and the Markdown files beside this one.

`practices/` holds short advice, `examples/` holds workflows in words; a file's first line is its
title, the rest its text.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from agent_service.catalogue import Catalogue, NodeType
from agent_service.store.knowledge import EVERYBODY, StoredPassage
from shared.words import searchable

_FOLDERS = {"practice": "practices", "example": "examples"}


def everybodys(catalogue: Catalogue) -> list[StoredPassage]:
    """All that ships with the mesh."""
    nodes = (_of_node(one) for one in catalogue.node_types)
    return [*nodes, *_of_files(Path(__file__).parent)]


def _of_node(node_type: NodeType) -> StoredPassage:
    parameters = "\n".join(
        f"- {name}: {schema['description']}"
        for name, schema in node_type.properties.items()
        if isinstance(schema, dict) and "description" in schema
    )
    text = "\n\n".join(
        part
        for part in (", ".join(node_type.keywords), node_type.documentation, parameters)
        if part
    )
    return _passage("node", node_type.type, node_type.title, text)


def _of_files(folder: Path) -> Iterator[StoredPassage]:
    for kind, name in _FOLDERS.items():
        for path in sorted((folder / name).glob("*.md")):
            title, _, text = path.read_text(encoding="utf-8").partition("\n")
            yield _passage(kind, path.stem, title.lstrip("# ").strip(), text.strip())


def _passage(kind: str, name: str, title: str, text: str) -> StoredPassage:
    digest = hashlib.sha256("\n".join((kind, name, title, text)).encode()).hexdigest()
    return StoredPassage(
        id=f"{kind}:{name}",
        tenant_id=EVERYBODY,
        kind=kind,
        name=name,
        title=title,
        text=text,
        words=searchable(name.replace(".", " "), title, text),
        digest=digest,
    )

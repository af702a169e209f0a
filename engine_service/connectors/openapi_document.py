"""OpenAPI documents (3.0 and 3.1): read once, found by operation, their schemas as JSON Schema.

A document is data of somebody else's: aliases that multiply, references that leave it or go round
in circles are refused. What 3.0 says in its own way is rewritten to JSON Schema 2020-12.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, cast

import orjson
import yaml

from engine_service.sdk.node import Failed, NodeError
from shared.workflow import JsonObject

LARGEST_BYTES = 5 * 1024 * 1024
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_MOST_REFERENCES = 20
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.CSafeLoader):
    """YAML as JSON would be: dates stay texts."""

    yaml_implicit_resolvers: Any = {  # noqa: RUF012 - as its parents declare it
        sign: [(tag, pattern) for tag, pattern in rows if tag != _TIMESTAMP]
        for sign, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One operation of a document, its references resolved.

    Attributes:
        name: Its operationId, or `GET /path`.
        parameters: Path, query, header and cookie parameters.
        body: Its request body, if it takes one.
        servers: Where it is served, the nearest declaration.
    """

    name: str
    method: str
    path: str
    parameters: Sequence[JsonObject]
    body: JsonObject | None
    servers: Sequence[JsonObject]


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read."""

    title: str
    operations: Mapping[str, ApiOperation]
    components: JsonObject

    def find(self, name: str) -> ApiOperation:
        """The operation of this operationId, or of this method and path.

        Raises:
            NodeError: There is none; the message names the nearest.
        """
        method, _, path = name.partition(" ")
        found = self.operations.get(name) or self.operations.get(f"{method.upper()} {path}")
        if found is None:
            near = get_close_matches(name, self.operations, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"{self.title} has no operation {name!r}.{hint}"
            raise NodeError(Failed("unknown_operation", message))
        return found

    def schema(self, schema: Any) -> JsonObject:
        """A schema of the document that stands by itself, with what it refers to."""
        return {"allOf": [schema], "components": self.components}


@lru_cache(maxsize=32)
def read_document(raw: bytes) -> Document:
    """Read a document, JSON or YAML; the same bytes are read once. Large ones take seconds.

    Raises:
        NodeError: It is none, or of a version that is not known.
    """
    if len(raw) > LARGEST_BYTES:
        raise _bad(f"it is larger than {LARGEST_BYTES} bytes")
    document = _load(raw)
    version = str(document.get("openapi", ""))
    if not version.startswith("3."):
        raise _bad("it is not OpenAPI 3" + (", but Swagger 2" if "swagger" in document else ""))
    modern = cast("JsonObject", _modern(document)) if version.startswith("3.0") else document
    info = modern.get("info")
    title = cast("JsonObject", info).get("title") if isinstance(info, dict) else None
    operations: dict[str, ApiOperation] = {}
    for operation in _operations(modern):
        operations[f"{operation.method} {operation.path}"] = operation
        operations.setdefault(operation.name, operation)
    components = modern.get("components")
    return Document(
        str(title or "The API"),
        operations,
        cast("JsonObject", components) if isinstance(components, dict) else {},
    )


def _load(raw: bytes) -> JsonObject:
    try:
        found: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = _load_yaml(raw)
    if not isinstance(found, dict):
        raise _bad("it is no object")
    return cast("JsonObject", found)


def _load_yaml(raw: bytes) -> Any:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw, yaml.CSafeLoader)):
            raise _bad("it has YAML aliases")
        return yaml.load(raw, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _bad(f"it is neither JSON nor YAML: {str(error)[:200]}") from error


def _operations(document: JsonObject) -> Iterator[ApiOperation]:
    paths = document.get("paths")
    for path, found in (cast("JsonObject", paths) if isinstance(paths, dict) else {}).items():
        item = resolved(document, found)
        for method in METHODS:
            inner = item.get(method)
            if not isinstance(inner, dict):
                continue
            said = cast("JsonObject", inner)
            name = said.get("operationId")
            body = said.get("requestBody")
            servers = said.get("servers") or item.get("servers") or document.get("servers") or ()
            yield ApiOperation(
                name if isinstance(name, str) and name else f"{method.upper()} {path}",
                method.upper(),
                str(path),
                _parameters(document, item, said),
                resolved(document, body) if body else None,
                [cast("JsonObject", server) for server in servers if isinstance(server, dict)],
            )


def _parameters(document: JsonObject, item: JsonObject, said: JsonObject) -> Sequence[JsonObject]:
    """The parameters of an operation; its own replace those of its path."""
    rows = [*(item.get("parameters") or ()), *(said.get("parameters") or ())]
    found = [resolved(document, row) for row in rows]
    return list({(row.get("in"), row.get("name")): row for row in found}.values())


def resolved(document: JsonObject, value: Any) -> JsonObject:
    """An object of the document, or what a reference to it says.

    Raises:
        NodeError: It is no object, or its reference leads nowhere.
    """
    for _ in range(_MOST_REFERENCES):
        if not isinstance(value, dict):
            raise _bad("an object was expected")
        reference = cast("JsonObject", value).get("$ref")
        if not isinstance(reference, str):
            return cast("JsonObject", value)
        if not reference.startswith("#/"):
            raise _bad(f"it refers to {reference[:100]!r}, outside of it")
        value = document
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            value = cast("JsonObject", value).get(key) if isinstance(value, dict) else None
    raise _bad("its references go round in circles")


def _modern(value: Any) -> Any:
    """What 3.0 says in its own way, as JSON Schema 2020-12 says it."""
    if isinstance(value, list):
        return [_modern(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    made = {str(name): _modern(inner) for name, inner in cast("JsonObject", value).items()}
    for limit, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(limit), bool):
            strict = made.pop(limit)
            if strict and bound in made:
                made[limit] = made.pop(bound)
    if made.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list):
            made["enum"] = [*made["enum"], None]
    return made


def _bad(why: str) -> NodeError:
    return NodeError(Failed("bad_document", f"The OpenAPI document cannot be used: {why}."))

"""Secrets that stand in definitions: which they are, and how nobody reads them back.

A secret is what a field declared `writeOnly` holds, however deep it stands, and a header or query
field with a telling name. Whoever reads a definition gets `[hidden]` in its place; whoever sends
that back means the secret that stood there before.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel

from engine_service.catalogue import Catalogue
from engine_service.expressions import parse
from shared.errors import InvalidInput, Violation
from shared.workflow import JsonObject, Workflow, pointer

HIDDEN = "[hidden]"
SECRET_WORDS = (
    r"authorization|cookie|passw|passphrase|secret|token|credential|signature"
    r"|(?:api|access|private|auth)[-_]?key"
)
_SECRET_NAME = re.compile(SECRET_WORDS, re.IGNORECASE)
Path = tuple[str | int, ...]
Mark = Callable[[str], str]


def is_secret_name(name: str) -> bool:
    """Whether what has this name is probably a secret."""
    return _SECRET_NAME.search(name) is not None


def hide(definition: JsonObject, catalogue: Catalogue, mark: Mark = lambda _: HIDDEN) -> JsonObject:
    """A definition with each secret replaced, in place; `mark` says by what."""
    for node in definition.get("nodes", ()):
        node_type = catalogue.find(node["type"], node.get("version"))
        parameters = node.get("parameters")
        if node_type is not None and parameters:
            for path, secret in list(_secrets(node_type.Parameters, parameters)):
                _put(parameters, path, mark(secret))
    return definition


def hide_text(definition: str, catalogue: Catalogue) -> str:
    """A definition as JSON text, with each secret replaced."""
    # Not orjson, which makes floats of large integers.
    shown = hide(json.loads(definition), catalogue)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def split(model: type[BaseModel], parameters: JsonObject) -> tuple[dict[str, str], JsonObject]:
    """The secrets among a node's parameters, by the path to each, and the other parameters."""
    shown = copy.deepcopy(parameters)
    secrets = dict(_secrets(model, parameters))
    for path in secrets:
        _put(shown, path, None)
    return {".".join(map(str, path)): secret for path, secret in secrets.items()}, shown


def restore(definition: Workflow, before: JsonObject | None, catalogue: Catalogue) -> None:
    """Put the secrets back that a definition, which somebody has read and changed, hides.

    They come from the definition before it. In a new workflow, before which there is none, they are
    left empty.

    Raises:
        InvalidInput: Something hidden stands where no secret stood; each place is a violation.
    """
    known = {node["id"]: node for node in (before or {}).get("nodes", ())}
    lost: list[Path] = []
    for place, node in enumerate(definition.nodes):
        node_type = catalogue.find(node.type, node.version)
        if node_type is None:
            continue
        old = known.get(node.id, {}).get("parameters", {})
        for path, secret in list(_secrets(node_type.Parameters, node.parameters)):
            if secret != HIDDEN:
                continue
            stood = _get(old, path)
            if before is not None and not isinstance(stood, str):
                lost.append(("nodes", place, "parameters", *path))
            else:
                _put(node.parameters, path, stood if isinstance(stood, str) else "")
    if lost:
        message = "No secret stood here before, so this hides nothing. Write the secret itself."
        raise InvalidInput(
            "The definition hides secrets that are not known.",
            reason="HIDDEN_SECRET",
            violations=[Violation(pointer(path), "hidden_secret", message) for path in lost],
        )


def secret_texts(parameters: BaseModel) -> set[str]:
    """The secrets among a node's filled parameters."""
    filled = parameters.model_dump(by_alias=True)
    return {secret for _, secret in _secrets(type(parameters), filled)}


def holds_secrets(model: type[BaseModel], parameters: JsonObject) -> bool:
    """Whether parameters as written have a secret, or an expression for one."""
    return next(_secrets(model, parameters, bool), None) is not None


def _secrets(
    model: type[BaseModel], value: Any, wanted: Callable[[str], bool] | None = None
) -> Iterator[tuple[Path, str]]:
    """Where secrets stand in a value that a model describes, and what they are."""
    wanted = wanted or _is_secret
    if not isinstance(value, dict):
        return
    fields = cast("JsonObject", value)
    for name, field in model.model_fields.items():
        key = field.alias if field.alias in fields else name
        inner = fields.get(key)
        if field.json_schema_extra == {"writeOnly": True}:
            if isinstance(inner, str) and wanted(inner):
                yield (key,), inner
        elif field.json_schema_extra == {"x-secret-names": True}:
            yield from (((key, *path), secret) for path, secret in _telling(inner, wanted))
        else:
            found = _nested(field.annotation, inner, wanted)
            yield from (((key, *path), secret) for path, secret in found)


def _nested(
    annotation: Any, value: Any, wanted: Callable[[str], bool]
) -> Iterator[tuple[Path, str]]:
    """Secrets within a field: of each model that the field's type mentions."""
    members = list(enumerate(cast("list[Any]", value))) if isinstance(value, list) else None
    for model in _models(annotation):
        if members is None:
            yield from _secrets(model, value, wanted)
            continue
        for place, member in members:
            found = _secrets(model, member, wanted)
            yield from (((place, *path), secret) for path, secret in found)


@cache
def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(model for argument in get_args(annotation) for model in _models(argument))


def _telling(value: Any, wanted: Callable[[str], bool]) -> Iterator[tuple[Path, str]]:
    """Texts under names such as `authorization`."""
    if isinstance(value, dict):
        for name, inner in cast("JsonObject", value).items():
            if is_secret_name(name) and isinstance(inner, str) and wanted(inner):
                yield (name,), inner


def _is_secret(text: str) -> bool:
    """Whether it is more than an expression, which only says where the secret is."""
    parts = parse(text).parts if text else ()
    return len(parts) > 1 or any(isinstance(part, str) for part in parts)


def _get(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = cast("JsonObject", value).get(str(step))
        elif isinstance(value, list) and isinstance(step, int):
            members = cast("list[Any]", value)
            value = members[step] if step < len(members) else None
        else:
            return None
    return value


def _put(value: Any, path: Path, text: str | None) -> None:
    """Replace what stands at a path that is there; remove it when there is no text."""
    *way, last = path
    for step in way:
        value = value[step]
    if text is None:
        del value[last]
    else:
        value[last] = text

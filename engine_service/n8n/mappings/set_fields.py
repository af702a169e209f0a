"""Set, later called Edit Fields: versions 1 to 3.4."""

from collections.abc import Iterator
from typing import Any

from engine_service.n8n.expressions import truth_of, with_json_inside
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_OLD_DEFAULTS: dict[str, Any] = {"boolean": False, "number": 0, "string": ""}
_NAMELESS = "propertyName"
_INCLUDE = {"all": "all", "none": "none", "selected": "selected", "except": "except"}
_VALUE_NAMES = {
    "stringValue": "string",
    "numberValue": "number",
    "booleanValue": "boolean",
    "arrayValue": "array",
    "objectValue": "object",
}
_TYPES = frozenset({"string", "number", "boolean", "array", "object"})


def _set(node: SourceNode) -> Mapped:
    fields = node.fields
    options = fields.section("options")
    parameters: JsonObject = {}
    if node.version < 3:
        parameters = {
            "assignments": list(_old_assignments(fields, node.version)),
            "include": "none" if fields.flag("keepOnlySet") else "all",
            "missing": "leave_out",
        }
        if node.version >= 2:
            parameters["ignore_conversion_errors"] = True
    elif fields.fixed("mode", "manual") == "raw":
        fields.ignore("assignments", "fields")
        parameters = {"mode": "json", "json": with_json_inside(fields.take("jsonOutput", "{}"))}
    else:
        fields.ignore("jsonOutput")
        rows = _assignments(fields) if node.version >= 3.3 else _typed_fields(fields)
        parameters = {"assignments": list(rows)}
    if node.version >= 3:
        parameters.update(_kept(node))
        if options.flag("ignoreConversionErrors"):
            parameters["ignore_conversion_errors"] = True
    if not options.flag("dotNotation", True):
        parameters["dot_notation"] = False
    fields.ignore("duplicateCount")
    if fields.flag("duplicateItem"):
        fields.differ("It repeats no items, which n8n did only when it was tried by hand.")
    return Mapped("data.set", parameters)


def _old_assignments(fields: Fields, version: float) -> Iterator[JsonObject]:
    """Versions 1 and 2: values by type, in n8n's order of types.

    Whatever is something is true; version 2 makes numbers of texts that are some.
    """
    for kind, default in _OLD_DEFAULTS.items():
        for row in fields.rows("values", kind):
            name = row.text("name", _NAMELESS)
            value = row.take("value", default)
            ours = "number" if kind == "number" and version >= 2 else "any"
            if kind == "boolean":
                value = truth_of(value)
            yield {"name": name or _NAMELESS, "value": value, "type": ours}


def _typed_fields(fields: Fields) -> Iterator[JsonObject]:
    """Versions 3 to 3.2: one value for each type, of which `type` chooses."""
    for row in fields.rows("fields", "values"):
        name_of_value = row.fixed("type", "stringValue")
        kind = _VALUE_NAMES.get(name_of_value)
        if kind is None:
            raise CannotMap(f"There is no counterpart of the type {name_of_value!r}.")
        row.ignore(*_VALUE_NAMES)
        value = row.take(name_of_value, _typed_default(kind))
        value = with_json_inside(value) if kind == "object" else value
        yield {"name": row.text("name"), "value": value, "type": kind}


def _typed_default(kind: str) -> Any:
    return {"boolean": "true", "array": "[]", "object": "{}"}.get(kind, "")


def _assignments(fields: Fields) -> Iterator[JsonObject]:
    """From version 3.3 on: a list of assignments."""
    for row in fields.rows("assignments", "assignments"):
        row.ignore("id")
        kind = row.fixed("type", "string")
        if kind == "binary":
            raise CannotMap("It sets files, which fields cannot hold here.")
        yield {
            "name": row.text("name"),
            "value": row.take("value", None if kind == "null" else ""),
            "type": kind if kind in _TYPES else "any",
        }


def _kept(node: SourceNode) -> JsonObject:
    """Which of the item's own fields stay."""
    fields = node.fields
    options = fields.section("options")
    kept: JsonObject = {}
    if node.version < 3.3 or fields.flag("includeOtherFields"):
        include = fields.choice("include", _INCLUDE, "all")
    else:
        fields.ignore("include")
        include = "none"
    kept["include"] = include
    names = {"selected": "includeFields", "except": "excludeFields"}
    fields.ignore(*names.values())
    if include in names:
        listed = fields.text(names[include])
        kept["fields"] = [name.strip() for name in listed.split(",") if name.strip()]
    stays = (
        options.flag("includeBinary", True)
        if node.version < 3.4
        else not options.flag("stripBinary", True)
    )
    options.ignore("includeBinary", "stripBinary")
    if include != "none" and not stays:
        kept["include_binary"] = False
    return kept


MAPPINGS = (NodeMapping(("n8n-nodes-base.set",), _set),)

"""IF, Filter and Switch, old and new: what decides by conditions."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_OLD_OPERATORS = {
    "after": "after", "before": "before", "contains": "contains", "notContains": "not_contains",
    "endsWith": "ends_with", "notEndsWith": "not_ends_with", "equal": "equals",
    "notEqual": "not_equals", "larger": "gt", "largerEqual": "gte", "smaller": "lt",
    "smallerEqual": "lte", "startsWith": "starts_with", "notStartsWith": "not_starts_with",
    "isEmpty": "empty", "isNotEmpty": "not_empty", "regex": "regex", "notRegex": "not_regex",
}  # fmt: skip
_OLD_TYPES = {
    "boolean": ("boolean", "equal", False),
    "dateTime": ("date_time", "after", None),
    "number": ("number", "smaller", 0),
    "string": ("string", "equal", ""),
}
"""By n8n's old type: ours, the operation that is meant when none is written, the value likewise."""
_TYPES = {
    "string": "string", "number": "number", "boolean": "boolean", "dateTime": "date_time",
    "array": "array", "object": "object",
}  # fmt: skip
_CASE_NAME = re.compile(r"[^:\s](?:[^:]{0,58}[^:\s])?")
_ALWAYS: JsonObject = {"left": True, "type": "boolean", "operator": "true"}
_NEVER: JsonObject = {"left": True, "type": "boolean", "operator": "false"}
_OLD_OUTPUTS = 4


# --- groups of conditions


def _group(fields: Fields, node: SourceNode) -> JsonObject:
    """A group of the newer kind, with its own options."""
    own, options = fields.section("options"), node.fields.section("options")
    own.ignore("leftValue", "version", "caseSensitive", "typeValidation")
    combinator = str(fields.fixed("combinator", "and"))
    conditions = [_condition(row) for row in fields.rows("conditions")]
    loose = (
        own.fixed("typeValidation", "strict") == "loose"
        or options.flag("looseTypeValidation")
        or node.fields.flag("looseTypeValidation")
    )
    group: JsonObject = {
        "conditions": conditions or [_ALWAYS if combinator == "and" else _NEVER],
        "combinator": combinator,
    }
    if options.flag("ignoreCase", not own.flag("caseSensitive", True)):
        group["case_sensitive"] = False
    if loose:
        group["loose"] = True
    return group


def _condition(row: Fields) -> JsonObject:
    row.ignore("id")
    operator = row.section("operator")
    operator.ignore("name", "singleValue", "rightType")
    operation = _snake(str(operator.fixed("operation", "equals")))
    kind = operator.choice("type", _TYPES, "string")
    made: JsonObject = {"left": row.take("leftValue"), "type": kind, "operator": operation}
    if row.has("rightValue"):
        made["right"] = row.take("rightValue")
    return made


def _old_group(fields: Fields, combinator: str) -> JsonObject:
    """Conditions by type, as the first versions wrote them; they compared loosely."""
    conditions = [
        _old_condition(row, kind) for kind in _OLD_TYPES for row in fields.rows("conditions", kind)
    ]
    return {
        "conditions": conditions or [_ALWAYS if combinator == "and" else _NEVER],
        "combinator": combinator,
        "loose": True,
    }


def _old_condition(row: Fields, kind: str, left: Any = None) -> JsonObject:
    ours, operation, nothing = _OLD_TYPES[kind]
    operator = row.choice("operation", _OLD_OPERATORS, operation)
    if left is None:
        left = row.take("value1", nothing)
    made: JsonObject = {"left": left, "type": ours, "operator": operator}
    if operator not in ("empty", "not_empty"):
        made["right"] = row.take("value2", nothing)
    else:
        row.ignore("value2")
    return made


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name)


# --- the nodes


def _if(node: SourceNode) -> Mapped:
    if node.version >= 2:
        parameters = _group(node.fields.section("conditions"), node)
    else:
        words = {"all": "and", "any": "or"}
        parameters = _old_group(node.fields, node.fields.choice("combineOperation", words, "all"))
    return Mapped("flow.if", parameters, outputs=("true", "false"))


def _filter(node: SourceNode) -> Mapped:
    if node.version >= 2:
        parameters = _group(node.fields.section("conditions"), node)
    else:
        words = {"AND": "and", "OR": "or"}
        parameters = _old_group(node.fields, node.fields.choice("combineConditions", words, "AND"))
    if node.outputs_used > 1:
        node.fields.differ("Items that do not pass are dropped; use flow.if to lead them on.")
    return Mapped("flow.filter", parameters)


def _switch(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.fixed("mode", "rules") == "expression":
        count = int(fields.number("outputsAmount", 0) or fields.number("numberOutputs", 4))
        cases = [str(number) for number in range(count)]
        parameters = {"mode": "expression", "cases": cases, "case": fields.take("output", 0)}
        fields.ignore("rules", "fallbackOutput", "dataType", "value1")
        return Mapped("flow.switch", parameters, outputs=tuple(f"case:{case}" for case in cases))
    fields.ignore("output", "numberOutputs", "outputsAmount")
    if node.version >= 3:
        return _switch_by_groups(node)
    return _switch_by_value(node)


def _switch_by_groups(node: SourceNode) -> Mapped:
    options = node.fields.section("options")
    rows = node.fields.rows("rules", "values") or node.fields.rows("rules", "rules")
    names = list(_names(rows))
    rules = [
        {"name": name, **_group(row.section("conditions"), node)}
        for name, row in zip(names, rows, strict=True)
    ]
    options.ignore("renameFallbackOutput")
    ports = [f"case:{name}" for name in names]
    parameters: JsonObject = {"rules": rules}
    if options.flag("allMatchingOutputs"):
        parameters["all_matching"] = True
    fallback = options.fixed("fallbackOutput", "none")
    return _with_fallback(parameters, fallback, names, ports)


def _names(rows: Sequence[Fields]) -> Iterator[str]:
    """The cases' names: what people called them, where that may be, else their numbers."""
    taken: set[str] = set()
    for number, row in enumerate(rows):
        row.ignore("renameOutput", "outputKey")
        wanted = str(row.fixed("outputKey", "")).strip()
        if not _CASE_NAME.fullmatch(wanted) or wanted in taken or wanted.isdigit():
            wanted = str(number)
        taken.add(wanted)
        yield wanted


def _switch_by_value(node: SourceNode) -> Mapped:
    """Versions 1 and 2: one value against many; version 1 says by number which output."""
    fields = node.fields
    kind = str(fields.fixed("dataType", "number"))
    if kind not in _OLD_TYPES:
        raise CannotMap(f"There is no counterpart of the data type {kind!r}.")
    left = fields.take("value1", _OLD_TYPES[kind][2])
    rows = fields.rows("rules", "rules")
    names = list(_names(rows)) if node.version >= 2 else [str(n) for n in range(len(rows))]
    rules = [
        {"name": name, "conditions": [_old_condition(row, kind, left)], "loose": True}
        for name, row in zip(names, rows, strict=True)
    ]
    fallback = fields.fixed("fallbackOutput", "none")
    if node.version >= 2:
        return _with_fallback({"rules": rules}, fallback, names, [f"case:{n}" for n in names])
    ports: list[tuple[str, ...]] = [() for _ in range(_OLD_OUTPUTS)]
    for name, row in zip(names, rows, strict=True):
        output = int(row.number("output", 0))
        ports[output] = (*ports[output], f"case:{name}")
    parameters: JsonObject = {"rules": rules}
    if str(fallback) not in ("none", "-1"):
        parameters["fallback"] = "fallback"
        ports[int(fallback)] = (*ports[int(fallback)], "fallback")
    return Mapped("flow.switch", parameters, outputs=tuple(ports))


def _with_fallback(
    parameters: JsonObject, fallback: Any, names: Sequence[str], ports: Sequence[str]
) -> Mapped:
    if str(fallback) in ("none", "-1", ""):
        return Mapped("flow.switch", parameters, outputs=tuple(ports))
    if fallback == "extra":
        shown = {**parameters, "fallback": "fallback"}
        return Mapped("flow.switch", shown, outputs=(*ports, "fallback"))
    shown = {**parameters, "fallback": names[int(fallback)]}
    return Mapped("flow.switch", shown, outputs=tuple(ports))


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.if",), _if),
    NodeMapping(("n8n-nodes-base.filter",), _filter),
    NodeMapping(("n8n-nodes-base.switch",), _switch),
)

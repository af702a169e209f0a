"""Nodes that work on lists of items: split, aggregate, summarize, sort, limit, dedupe, compare.

Item Lists, which n8n had before these became nodes of their own, is read here as well.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from engine_service.n8n.expressions import is_expression, translate
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.sdk.node import MAIN
from shared.workflow import JsonObject

_KINDS = {
    "append": "append", "average": "average", "concatenate": "concatenate", "count": "count",
    "countUnique": "count_unique", "max": "max", "min": "min", "sum": "sum",
}  # fmt: skip
_COMPARED = {"allFields": "all", "allFieldsExcept": "except", "selectedFields": "selected"}
_INCLUDED = {"noOtherFields": "none", "allOtherFields": "all", "selectedOtherFields": "selected"}
_ALL_DATA = {"allFields": "all", "specifiedFields": "selected", "allFieldsExcept": "except"}
_SCOPES = {"node": "node", "workflow": "workflow"}
_SIDES = {"input1": "a", "input2": "b"}
_DIFFERENT = {"includeBoth": "both", "preferInput1": "a", "preferInput2": "b", "mix": "mix"}


_SUMMARIZE = "n8n-nodes-base.summarize"


def _names(fields: Fields, name: str) -> list[str]:
    """Field names, written as a list, between commas, or (in old versions) as rows."""
    written = fields.verbatim(name, "")
    if isinstance(written, dict):
        return [row.text("fieldName") for row in fields.rows(name, "fields")]
    if isinstance(written, list):
        return [str(translate(each)) for each in cast("list[Any]", written)]
    if is_expression(written):
        return [translate(written)]
    return [each.strip() for each in str(translate(written)).split(",") if each.strip()]


def _dots(options: Fields) -> JsonObject:
    return {"dot_notation": False} if options.flag("disableDotNotation") else {}


def _limit(node: SourceNode) -> Mapped:
    fields = node.fields
    keep = fields.choice("keep", {"firstItems": "first", "lastItems": "last"}, "firstItems")
    return Mapped("data.limit", {"max_items": fields.take("maxItems", 1), "keep": keep})


def _sort(node: SourceNode) -> Mapped:
    fields = node.fields
    kind = fields.fixed("type", "simple")
    if kind == "code":
        code = str(fields.verbatim("code", ""))
        body = f"return $input.all().sort((a, b) => {{\n{code}\n}});"
        return Mapped("code.javascript", {"code": body})
    if kind == "random":
        return Mapped("data.sort", {"mode": "random"})
    orders = {"ascending": "ascending", "descending": "descending"}
    rows = [
        {"name": row.text("fieldName"), "order": row.choice("order", orders, "ascending")}
        for row in fields.rows("sortFieldsUi", "sortField")
    ]
    return Mapped("data.sort", {"fields": rows, **_dots(fields.section("options"))})


def _split(node: SourceNode) -> Mapped:
    fields = node.fields
    options = fields.section("options")
    sources, targets = _names(fields, "fieldToSplitOut"), _names(options, "destinationFieldName")
    if "$binary" in sources:
        raise CannotMap("It splits files, which items do not do here.")
    rows = [
        {
            "name": name.removeprefix("$json."),
            "to": targets[place] if place < len(targets) else "",
        }
        for place, name in enumerate(sources)
    ]
    include = fields.choice("include", _INCLUDED, "noOtherFields")
    made: JsonObject = {"fields": rows, "include": include, **_dots(options)}
    included = _names(fields, "fieldsToInclude")
    if include == "selected":
        made["include_fields"] = included
    if options.flag("includeBinary"):
        made["include_binary"] = True
    return Mapped("data.split", made)


def _aggregate(node: SourceNode) -> Mapped:
    fields = node.fields
    options = fields.section("options")
    made: JsonObject
    if fields.fixed("aggregate", "aggregateIndividualFields") == "aggregateAllItemData":
        made = _whole_items(fields)
    else:
        rows = [
            {"name": row.text("fieldToAggregate"), "to": _renamed(row)}
            for row in fields.rows("fieldsToAggregate", "fieldToAggregate")
        ]
        made = {"mode": "fields", "fields": [row for row in rows if row["name"]], **_dots(options)}
        if options.flag("mergeLists"):
            made["merge_lists"] = True
        if options.flag("keepMissing"):
            made["keep_missing"] = True
    if groups := _names(options, "groupByFields"):
        made["group_by"] = groups
    if options.flag("includeBinaries"):
        made["include_binary"] = True
        made["unique_binary"] = options.flag("keepOnlyUnique")
    return Mapped("data.aggregate", made)


def _renamed(row: Fields) -> str:
    name = row.text("outputFieldName")
    return name if row.flag("renameField") else ""


def _whole_items(fields: Fields) -> JsonObject:
    include = fields.choice("include", _ALL_DATA, "allFields")
    made: JsonObject = {
        "mode": "items",
        "to": fields.text("destinationFieldName", "data"),
        "include": include,
    }
    chosen, dropped = _names(fields, "fieldsToInclude"), _names(fields, "fieldsToExclude")
    if include != "all":
        made["include_fields"] = chosen if include == "selected" else dropped
    return made


def _summarize(node: SourceNode) -> Mapped:
    fields, is_own = node.fields, node.type == _SUMMARIZE
    options = fields.section("options")
    made: JsonObject = {
        "summaries": [_figure(row) for row in fields.rows("fieldsToSummarize", "values")],
        "group_by": _names(fields, "fieldsToSplitBy"),
        **_dots(options),
    }
    if options.fixed("outputFormat", "separateItems") == "singleItem":
        made["output"] = "nested"
    if options.flag("skipEmptySplitFields"):
        made["skip_ungrouped"] = True
    if options.flag("continueIfFieldNotFound") or (node.version > 1 and is_own):
        made["allow_missing_fields"] = True
    if made["group_by"] and (node.version == 1 or not is_own):
        made["group_as"] = "texts"
    return Mapped("data.summarize", made)


def _figure(row: Fields) -> JsonObject:
    kind = row.choice("aggregation", _KINDS, "count")
    figure: JsonObject = {"field": row.text("field"), "kind": kind}
    if row.flag("includeEmpty"):
        figure["include_empty"] = True
    separator, custom = row.text("separateBy", ","), row.text("customSeparator")
    if kind == "concatenate":
        figure["separator"] = custom if separator == "other" else separator
    return figure


def _dedupe(node: SourceNode) -> Mapped:
    fields = node.fields
    operation = fields.fixed("operation", "removeDuplicateInputItems")
    if operation in ("removeItemsSeenInPreviousExecutions", "clearDeduplicationHistory"):
        return _remember(node, operation)
    if operation not in ("removeDuplicateInputItems", "removeDuplicates"):
        raise CannotMap(f"There is no counterpart of the operation {operation!r}.")
    options = fields.section("options")
    compare = fields.choice("compare", _COMPARED, "allFields")
    made: JsonObject = {"compare": compare, **_dots(options)}
    named = {"selected": "fieldsToCompare", "except": "fieldsToExclude"}
    if compare in named:
        made["fields"] = _names(fields, named[compare])
    fields.ignore(*named.values())
    if options.flag("removeOtherFields"):
        made["remove_other_fields"] = True
    return Mapped("data.dedupe", made)


def _remember(node: SourceNode, operation: str) -> Mapped:
    """What compares items with those of earlier executions."""
    fields, options = node.fields, node.fields.section("options")
    made: JsonObject = {"scope": options.choice("scope", _SCOPES, "node")}
    fields.ignore("manageDatabaseMode", "incrementalDedupeValue", "dateDedupeValue")
    if operation == "clearDeduplicationHistory":
        made["operation"] = "forget"
        return Mapped("data.remember", made, outputs=((MAIN, "seen"),))
    match fields.fixed("logic", "removeItemsWithAlreadySeenKeyValues"):
        case "removeItemsWithAlreadySeenKeyValues":
            made["key"] = fields.take("dedupeValue", "")
            made["history"] = int(options.number("historySize", 10_000))
        case "removeItemsUpToStoredIncrementalKey":
            made.update(operation="above", value=fields.take("incrementalDedupeValue", ""))
        case "removeItemsUpToStoredDate":
            made.update(operation="above", value=fields.take("dateDedupeValue", ""))
        case logic:
            raise CannotMap(f"There is no counterpart of the logic {logic!r}.")
    return Mapped("data.remember", made, outputs=(MAIN, "seen"))


def _compare(node: SourceNode) -> Mapped:
    fields = node.fields
    options = fields.section("options")
    rows = [
        {"a": row.text("field1"), "b": row.text("field2")}
        for row in fields.rows("mergeByFields", "values")
    ]
    default = "includeBoth" if node.version >= 2 else "preferInput2"
    different = fields.choice("resolve", _DIFFERENT, default)
    made: JsonObject = {"match": rows, "different": different, **_dots(options)}
    prefer, others = fields.choice("preferWhenMix", _SIDES, "input1"), fields
    exceptions = _names(others, "exceptWhenMix")
    if different == "mix":
        made.update(prefer=prefer, except_fields=exceptions)
    if skipped := _names(options, "skipFields"):
        made["skip_fields"] = skipped
    if options.fixed("multipleMatches", "first") == "all":
        made["multiple_matches"] = "all"
    if fields.flag("fuzzyCompare") or options.flag("fuzzyCompare"):
        made["fuzzy"] = True
    outputs = ("only_a", "same", "different", "only_b")
    return Mapped("data.compare", made, outputs=outputs, inputs=("a", "b"))


def _rename(node: SourceNode) -> Mapped:
    fields = node.fields
    pairs = [
        {"name": row.text("currentKey"), "to": row.text("newKey")}
        for row in fields.rows("keys", "key")
    ]
    made: JsonObject = {"fields": [pair for pair in pairs if pair["name"] and pair["to"]]}
    patterns: list[JsonObject] = []
    for row in fields.rows("additionalOptions", "regexReplacement", "replacements"):
        options = row.section("options")
        pattern: JsonObject = {"pattern": row.text("searchRegex"), "to": row.text("replaceRegex")}
        if options.flag("caseInsensitive"):
            pattern["case_sensitive"] = False
        pattern["depth"] = options.take("depth", -1)
        patterns.append(pattern)
    if patterns:
        made["patterns"] = patterns
    return Mapped("data.rename", made)


_OPERATIONS: Mapping[str, Callable[[SourceNode], Mapped]] = {
    "splitOutItems": _split,
    "aggregateItems": _aggregate,
    "concatenateItems": _aggregate,
    "limit": _limit,
    "removeDuplicates": _dedupe,
    "sort": _sort,
    "summarize": _summarize,
}


def _item_lists(node: SourceNode) -> Mapped:
    node.fields.ignore("resource")
    return node.fields.choice("operation", _OPERATIONS, "splitOutItems")(node)


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.limit",), _limit),
    NodeMapping(("n8n-nodes-base.sort",), _sort),
    NodeMapping(("n8n-nodes-base.splitOut",), _split),
    NodeMapping(("n8n-nodes-base.aggregate",), _aggregate),
    NodeMapping((_SUMMARIZE,), _summarize),
    NodeMapping(("n8n-nodes-base.removeDuplicates",), _dedupe),
    NodeMapping(("n8n-nodes-base.compareDatasets",), _compare),
    NodeMapping(("n8n-nodes-base.renameKeys",), _rename),
    NodeMapping(("n8n-nodes-base.itemLists",), _item_lists),
)

"""Merge: versions 1 to 3."""

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_JOINS = {
    "keepMatches": "keep_matches", "keepNonMatches": "keep_non_matches",
    "keepEverything": "keep_everything", "enrichInput1": "enrich_input1",
    "enrichInput2": "enrich_input2",
}  # fmt: skip
_CHOOSING = ("keep_matches", "keep_non_matches")
"""Where n8n asks whose data a match hands on; elsewhere it shows no such parameter."""

_COMBINE_BY = {
    "mergeByFields": "fields", "mergeByPosition": "position", "multiplex": "all",
    "combineByFields": "fields", "combineByPosition": "position", "combineAll": "all",
}  # fmt: skip
_MATCHES = {"all": "all", "first": "first"}
_INPUTS = {"input1": "input1", "input2": "input2", "both": "both"}


def _merge(node: SourceNode) -> Mapped:
    fields = node.fields
    count = int(fields.number("numberInputs", 2))
    inputs = tuple(f"input{number}" for number in range(1, count + 1))
    parameters = _old(fields) if node.version < 2 else _new(fields, node.version)
    if count != 2:
        parameters["inputs"] = count
    return Mapped("flow.merge", parameters, inputs=inputs)


def _new(fields: Fields, version: float) -> JsonObject:
    mode = fields.fixed("mode", "append")
    match mode:
        case "append":
            return {"mode": "append"}
        case "combine":
            return _combine(fields, version)
        case "chooseBranch":
            return {"mode": "choose", "choose": _chosen(fields, version)}
        case _:
            raise CannotMap(f"There is no counterpart of the mode {mode!r}.")


def _chosen(fields: Fields, version: float) -> str:
    fields.ignore("chooseBranchMode")
    if version < 3:
        return str(fields.fixed("output", "input1"))
    if fields.fixed("output", "specifiedInput") == "empty":
        return "empty"
    wanted = str(fields.fixed("useDataOfInput", 1))
    return wanted if wanted.startswith("input") else f"input{wanted}"


def _combine(fields: Fields, version: float) -> JsonObject:
    options = fields.section("options")
    by = (
        fields.choice("combinationMode", _COMBINE_BY, "mergeByFields")
        if version < 3
        else fields.choice("combineBy", _COMBINE_BY, "combineByFields")
    )
    made: JsonObject = {"mode": "combine", "combine_by": by, **_clash(options, version)}
    if by == "fields":
        made.update(_by_fields(fields, options))
    if by == "position" and options.flag("includeUnpaired"):
        made["include_unpaired"] = True
    if by == "position" and version < 3:
        made["on_empty"] = "others"
    return made


def _by_fields(fields: Fields, options: Fields) -> JsonObject:
    fields.ignore("advanced")
    pairs = [
        {"left": row.text("field1"), "right": row.text("field2")}
        for row in fields.rows("mergeByFields", "values")
    ]
    names = [name.strip() for name in fields.text("fieldsToMatchString").split(",")]
    join = fields.choice("joinMode", _JOINS, "keepMatches")
    source = fields.choice("outputDataFrom", _INPUTS, "both")
    made: JsonObject = {
        "match": [*pairs, *({"left": name} for name in names if name)],
        "join": join,
        "output_from": source if join in _CHOOSING else "both",
        "multiple_matches": options.choice("multipleMatches", _MATCHES, "all"),
    }
    if join == "keep_non_matches" or (join == "keep_matches" and source == "input2"):
        made["multiple_matches"] = "all"  # n8n counts every partner there, whatever is chosen
    if options.flag("fuzzyCompare"):
        made["fuzzy"] = True
    if options.flag("disableDotNotation"):
        made["dot_notation"] = False
    return made


def _clash(options: Fields, version: float) -> JsonObject:
    clash = options.section("clashHandling", "values")
    made: JsonObject = {}
    asked = options.section("clashHandling").has("values")
    resolve = str(clash.fixed("resolveClash", "addSuffix" if asked and version < 3 else ""))
    if resolve == "addSuffix":
        made["on_clash"] = "suffix"
    elif resolve == "preferLast":
        made["on_clash"] = "prefer_last"
    elif resolve.startswith("preferInput"):
        made["on_clash"] = f"input{resolve.removeprefix('preferInput')}"
    elif resolve:
        raise CannotMap(f"There is no counterpart of resolveClash {resolve!r}.")
    if clash.fixed("mergeMode", "deepMerge") == "shallowMerge":
        made["deep"] = False
    if clash.flag("overrideEmpty"):
        made["keep_over_empty"] = True
    return made


def _old(fields: Fields) -> JsonObject:
    """Version 1."""
    mode = fields.fixed("mode", "append")
    output = fields.choice("output", _INPUTS, "input1")
    match mode:
        case "append":
            return {"mode": "append"}
        case "passThrough":
            return {"mode": "choose", "choose": output}
        case "wait":
            return {"mode": "choose", "choose": "empty"}
        case "multiplex":
            return {"mode": "combine", "combine_by": "all", "deep": False}
        case "mergeByIndex":
            return _by_index(fields)
        case "mergeByKey" | "keepKeyMatches" | "removeKeyMatches":
            return _by_key(fields, mode)
        case _:
            raise CannotMap(f"There is no counterpart of the mode {mode!r}.")


def _by_index(fields: Fields) -> JsonObject:
    made: JsonObject = {"mode": "combine", "combine_by": "position", "deep": False}
    join = fields.fixed("join", "left")
    if join != "inner":
        made["include_unpaired"] = True
    if join == "left":
        made["unpaired_from"] = "input1"
    return made


def _by_key(fields: Fields, mode: str) -> JsonObject:
    match_field = {"left": fields.text("propertyName1"), "right": fields.text("propertyName2")}
    made: JsonObject = {
        "mode": "combine",
        "combine_by": "fields",
        "match": [match_field],
        "deep": False,
    }
    overwrite = fields.fixed("overwrite", "always")
    if mode != "mergeByKey":
        join = "keep_matches" if mode == "keepKeyMatches" else "keep_non_matches"
        return {**made, "join": join, "output_from": "input1", "fuzzy": True}
    if overwrite != "always":
        made["on_clash"] = "input1"
    if overwrite == "blank":
        made["keep_over_empty"] = True
    return {**made, "join": "look_up"}


MAPPINGS = (NodeMapping(("n8n-nodes-base.merge",), _merge),)

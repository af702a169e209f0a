"""`data.dedupe`: keeps the first of equal items."""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import MAIN, Done, Failed, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.values.equality import ABSENT, value_key
from engine_service.values.fields import FieldNames
from shared.workflow import Item, JsonObject


class DedupeParameters(NodeParameters):
    """When two items are equal."""

    compare: Literal["all", "selected", "except"] = Field(
        default="all",
        description="By which fields items are compared: all, `fields`, or all but `fields`",
    )
    fields: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="The fields for compare selected or except; dots reach deeper",
    )
    remove_other_fields: bool = Field(
        default=False, description="Whether only the compared fields stay in the items"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )


class DataDedupe(PureNode[DedupeParameters]):
    """Removes items that are equal to an earlier one; the first of them stays, in its place.

    By default items are equal when all their fields are. `selected` compares some fields only,
    `except` all but some (an id, a time stamp). A number and a text are never equal, a missing
    field equals a missing field. A selected field that no item has fails the node.

    Items of one input are compared, not those of earlier runs: that is `data.remember`.
    """

    Parameters = DedupeParameters
    type = "data.dedupe"
    title = "Remove duplicates"
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"compare": "selected", "fields": ["email"]},
        {},
        {"compare": "except", "fields": ["id"], "remove_other_fields": True},
    )
    keywords = (
        "dedupe", "remove duplicates", "unique", "distinct", "deduplicate", "duplicates",
        "only once", "去重", "删除重复", "唯一",
    )  # fmt: skip

    def run(self, given: NodeInput[DedupeParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        names = FieldNames(parameters.dot_notation)
        if parameters.compare == "selected":
            for name in parameters.fields:
                if not names.in_any(given.items, name):
                    return Failed("no_such_field", f"No item has the field {name}.")
        compared = _comparing(parameters, names)
        seen: set[Hashable] = set()
        kept: list[Item] = []
        for index, item in enumerate(given.items):
            fields = compared(item["json"])
            key = value_key(fields)
            if key in seen:
                continue
            seen.add(key)
            one: Item = {**item, "paired_item": index}
            if parameters.remove_other_fields:
                one["json"] = _present(fields, parameters, names)
            kept.append(one)
        return Done({MAIN: kept})

    @classmethod
    def check(cls, parameters: DedupeParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.compare != "all" and not parameters.fields:
            message = f"Say which fields; compare is {parameters.compare}."
            return [("/fields", "missing", message)]
        return []


def _comparing(
    parameters: DedupeParameters, names: FieldNames
) -> Callable[[JsonObject], JsonObject]:
    """What of an item's fields is compared."""

    def rest(fields: JsonObject) -> JsonObject:
        kept = dict(fields)
        for name in parameters.fields:
            names.drop(kept, name)
        return kept

    def selected(fields: JsonObject) -> JsonObject:
        found = {name: names.find(fields, name) for name in parameters.fields}
        return {name: value if there else [ABSENT] for name, (there, value) in found.items()}

    match parameters.compare:
        case "all":
            return lambda fields: fields
        case "except":
            return rest
        case "selected":
            return selected


def _present(fields: JsonObject, parameters: DedupeParameters, names: FieldNames) -> JsonObject:
    if parameters.compare != "selected":
        return fields
    present: JsonObject = {}
    for name, value in fields.items():
        if value != [ABSENT]:
            names.put(present, name, value)
    return present

"""`data.split`: makes an item of each member of a list."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    Failed,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values.fields import FieldNames
from shared.workflow import Item, JsonObject

MOST_ITEMS = 1_000_000


class SplitField(BaseModel):
    """A list to split."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="The field with the list; dots reach deeper")
    to: str = Field(
        default="",
        description="The field its members go to. When empty, objects become items as they are "
        "and other members keep the list's name",
    )


class SplitParameters(NodeParameters):
    """Which lists become items, and what goes along."""

    fields: list[SplitField] = Field(
        min_length=1,
        max_length=50,
        description="The lists to split; several are split side by side, first with first",
    )
    include: Literal["none", "all", "selected"] = Field(
        default="none",
        description="What each new item gets of the old one's other fields: none, all, or "
        "`include_fields`",
    )
    include_fields: list[str] = Field(
        default_factory=list[str], max_length=500, description="For include selected: the fields"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )
    include_binary: bool = Field(
        default=False, description="Whether each new item gets the files of the old one"
    )


class DataSplit(PureNode[SplitParameters]):
    """Makes an item of each member of a list inside an item.

    `{"lines": [{"sku": "a"}, {"sku": "b"}]}` split at `lines` becomes two items. Members that are
    objects become the item, unless `to` names a field for them or other fields are included;
    other values stay under the list's name. An object instead of a list is split into its values,
    a single value is a list of one, and nothing gives no items.

    Several lists are split side by side: the first members make the first item, and so on.

    Its counterpart is `data.aggregate`.
    """

    Parameters = SplitParameters
    type = "data.split"
    title = "Split list into items"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"fields": [{"name": "tags"}]},
        {
            "fields": [{"name": "order.lines", "to": "line"}],
            "include": "selected",
            "include_fields": ["id", "name"],
        },
    )
    keywords = (
        "split", "split out", "explode", "unwind", "flatten", "list to items", "each element",
        "expand", "拆分", "展开", "列表拆成多条", "逐个",
    )  # fmt: skip

    def run(self, given: NodeInput[SplitParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            try:
                made.extend(_split(item, index, given.parameters_for(index)))
            except ValueError as error:
                failures.append(ItemFailure(index, "wrong_type", str(error)))
            if len(made) > MOST_ITEMS:
                return Failed("too_many_items", f"{MOST_ITEMS} items are the most.")
        return Done({MAIN: made}, failures)

    @classmethod
    def check(cls, parameters: SplitParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.include == "selected" and not parameters.include_fields:
            return [("/include_fields", "missing", "Say which fields; include is selected.")]
        return []


def _split(item: Item, index: int, parameters: SplitParameters) -> list[Item]:
    names = FieldNames(parameters.dot_notation)
    lists = [_members(names.find(item["json"], field.name)) for field in parameters.fields]
    along = _along(item["json"], parameters, names)
    alone = parameters.include == "none" and len(lists) == 1 and not parameters.fields[0].to
    binary = item.get("binary") if parameters.include_binary else None
    made: list[Item] = []
    for place in range(max(map(len, lists))):
        fields = dict(along)
        for field, members in zip(parameters.fields, lists, strict=True):
            if place < len(members):
                _put(fields, field, members[place], alone=alone)
        one: Item = {"json": fields, "paired_item": index}
        if binary:
            one["binary"] = binary
        made.append(one)
    return made


def _members(found: tuple[bool, Any]) -> Sequence[Any]:
    there, value = found
    if not there:
        return []
    if isinstance(value, list):
        return cast("list[Any]", value)
    if isinstance(value, dict):
        return list(cast("JsonObject", value).values())
    return [value]


def _put(fields: JsonObject, field: SplitField, member: Any, *, alone: bool) -> None:
    """Put a member into its item; one that is alone there becomes the item, if it can."""
    if alone and isinstance(member, dict):
        fields.update(cast("JsonObject", member))
    elif alone and isinstance(member, list):
        fields.update({str(place): each for place, each in enumerate(cast("list[Any]", member))})
    else:
        fields[field.to or field.name] = member


def _along(fields: JsonObject, parameters: SplitParameters, names: FieldNames) -> JsonObject:
    """What each new item gets of the old one."""
    split = {field.name for field in parameters.fields}
    if parameters.include == "selected":
        wanted = [name for name in parameters.include_fields if name not in split]
        found = {name: names.find(fields, name) for name in wanted}
        return {name: value for name, (there, value) in found.items() if there}
    if parameters.include == "none":
        return {}
    rest = dict(fields)
    for name in split:
        names.drop(rest, name)
    return rest

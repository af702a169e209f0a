"""`data.aggregate`: puts the data of all items into one."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine_service.sdk.node import MAIN, Done, Failed, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.sdk.shape import UNKNOWN, Kind, Shape
from engine_service.values.attachments import gather
from engine_service.values.equality import ABSENT, value_key
from engine_service.values.fields import FieldNames
from engine_service.values.origins import pairs_of
from shared.workflow import Item, JsonObject


class AggregateField(BaseModel):
    """A field whose values are collected."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="The field; dots reach deeper")
    to: str = Field(
        default="", description="The field for the list; when empty, the innermost part of `name`"
    )


class AggregateParameters(NodeParameters):
    """What of the items to collect."""

    mode: Literal["items", "fields"] = Field(
        default="items",
        description="`items` collects whole items into one list, `fields` the values of each of "
        "`fields` into a list of its own",
    )
    fields: list[AggregateField] = Field(
        default_factory=list[AggregateField],
        max_length=100,
        description="For mode fields: what to collect",
    )
    to: str = Field(
        default="data", min_length=1, description="For mode items: the field for the list"
    )
    include: Literal["all", "selected", "except"] = Field(
        default="all",
        description="For mode items: which fields of each item go into the list: all, "
        "`include_fields`, or all but these",
    )
    include_fields: list[str] = Field(
        default_factory=list[str], max_length=500, description="For include selected or except"
    )
    merge_lists: bool = Field(
        default=False,
        description="For mode fields: whether a value that is a list adds its members instead",
    )
    keep_missing: bool = Field(
        default=False, description="For mode fields: whether a missing or null value stays, as null"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )
    group_by: list[str] = Field(
        default_factory=list[str],
        max_length=20,
        description="Items with equal values in these fields are put together, each group into an "
        "item of its own that has these fields too; none puts all into one",
    )
    include_binary: bool = Field(
        default=False, description="Whether the files of all items go along"
    )
    unique_binary: bool = Field(
        default=False, description="Whether of files with the same name, type and size one stays"
    )


class DataAggregate(PureNode[AggregateParameters]):
    """Puts all items together into a single one that holds a list.

    - `items`: a list of whole items, in the field `to`. `include` chooses their fields.
    - `fields`: for each of `fields` a list of its values: three items with `email` become
      `{"email": ["a@…", "b@…", "c@…"]}`.

    For sums, counts and groups use `data.summarize`. Its counterpart is `data.split`.
    """

    Parameters = AggregateParameters
    type = "data.aggregate"
    title = "Aggregate items"
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"to": "orders", "include": "selected", "include_fields": ["id", "total"]},
        {"mode": "fields", "fields": [{"name": "email", "to": "recipients"}]},
    )
    keywords = (
        "aggregate", "collect", "combine items", "into one list", "group into list", "gather",
        "all items at once", "digest", "聚合", "收集", "合并成一条", "汇总成列表",
    )  # fmt: skip

    def run(self, given: NodeInput[AggregateParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        names = FieldNames(parameters.dot_notation)
        try:
            groups = _groups(given.items, parameters, names)
            return Done({MAIN: [_together(given.items, group, parameters) for group in groups]})
        except ValueError as error:
            return Failed("wrong_name", str(error))

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        try:
            known = AggregateParameters.model_validate(parameters)
        except ValidationError:
            return UNKNOWN
        names = FieldNames(known.dot_notation)
        lists = (
            [known.to]
            if known.mode == "items"
            else [field.to or names.last(field.name) for field in known.fields]
        )
        if any("{{" in name or "." in name for name in (*lists, *known.group_by)):
            return UNKNOWN
        made: dict[str, Kind] = {name: given.fields.get(name, "any") for name in known.group_by}
        return Shape({**made, **dict.fromkeys(lists, "array")})

    @classmethod
    def check(cls, parameters: AggregateParameters) -> Sequence[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        if parameters.mode == "items":
            if parameters.include != "all" and not parameters.include_fields:
                message = f"Say which fields; include is {parameters.include}."
                found.append(("/include_fields", "missing", message))
            return found
        if not parameters.fields:
            found.append(("/fields", "missing", "Say which fields to collect."))
        names = FieldNames(parameters.dot_notation)
        counts = Counter(field.to or names.last(field.name) for field in parameters.fields)
        twice = ", ".join(name for name, count in counts.items() if count > 1)
        if twice:
            found.append(("/fields", "duplicate", f"Several lists go to {twice}; use `to`."))
        return found


_Group = tuple[JsonObject, list[int]]
"""The fields that a group has in common, and the places of its items."""


def _groups(
    items: list[Item], parameters: AggregateParameters, names: FieldNames
) -> Sequence[_Group]:
    """The groups in the order of their first items.

    Raises:
        ValueError: An item is to be grouped by what is no single value.
    """
    if not parameters.group_by:
        return [({}, list(range(len(items))))]
    groups: dict[Hashable, _Group] = {}
    for place, item in enumerate(items):
        found = [names.find(item["json"], name) for name in parameters.group_by]
        key = tuple(value_key(value if there else ABSENT) for there, value in found)
        if key not in groups:
            common: JsonObject = {}
            for name, (there, value) in zip(parameters.group_by, found, strict=True):
                if isinstance(value, dict | list):
                    raise ValueError(f"{name} holds more than a single value")
                if there:
                    names.put(common, name, value)
            groups[key] = (common, [])
        groups[key][1].append(place)
    return list(groups.values())


def _together(items: list[Item], group: _Group, parameters: AggregateParameters) -> Item:
    fields, places = group
    members = [items[place] for place in places]
    if parameters.mode == "items":
        made = {**fields, parameters.to: _items(members, parameters)}
    else:
        made = {**fields, **_lists(members, parameters, FieldNames(parameters.dot_notation))}
    together: Item = {"json": made, "paired_item": pairs_of(places)}
    if parameters.include_binary:
        binary = gather(members, unique=parameters.unique_binary)
        if binary:
            together["binary"] = binary
    return together


def _items(items: list[Item], parameters: AggregateParameters) -> list[JsonObject]:
    if parameters.include == "all":
        return [item["json"] for item in items]
    named = frozenset(parameters.include_fields)
    wanted = parameters.include == "selected"
    chosen = (
        {key: value for key, value in item["json"].items() if (key in named) is wanted}
        for item in items
    )
    return [fields for fields in chosen if fields]


def _lists(items: list[Item], parameters: AggregateParameters, names: FieldNames) -> JsonObject:
    lists: JsonObject = {}
    for field in parameters.fields:
        values: list[Any] = []
        for item in items:
            _add(values, names.get(item["json"], field.name), parameters)
        names.put(lists, field.to or names.last(field.name), values)
    return lists


def _add(values: list[Any], value: Any, parameters: AggregateParameters) -> None:
    keep = parameters.keep_missing
    if isinstance(value, list):
        members = cast("list[Any]", value)
        present = members if keep else [member for member in members if member is not None]
        if parameters.merge_lists:
            values.extend(present)
        else:
            values.append(present)
    elif value is not None or keep:
        values.append(value)

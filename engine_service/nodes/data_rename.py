"""`data.rename`: gives fields other names."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values.fields import FieldNames
from engine_service.values.patterns import BadPattern, replace_first
from shared.workflow import Item, JsonObject


class Renaming(BaseModel):
    """A field and its new name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="The field; dots reach deeper")
    to: str = Field(min_length=1, description="Its new name; dots put it deeper")


class PatternRenaming(BaseModel):
    """New names by a pattern."""

    model_config = ConfigDict(extra="forbid")

    pattern: str = Field(
        min_length=1, max_length=5_000, description="A regular expression that names match"
    )
    to: str = Field(
        default="",
        description="What replaces the part that matched; `$1` is the first group, `$&` all of it",
    )
    case_sensitive: bool = Field(default=True, description="Whether `A` and `a` differ")
    depth: int = Field(
        default=-1,
        ge=-1,
        le=100,
        description="How deep to go: 0 for the item's own fields only, -1 for all levels",
    )


class RenameParameters(NodeParameters):
    """Which fields get which names."""

    fields: list[Renaming] = Field(
        default_factory=list[Renaming], max_length=500, description="The fields, in order"
    )
    patterns: list[PatternRenaming] = Field(
        default_factory=list[PatternRenaming],
        max_length=50,
        description="Patterns for many names at once; applied after `fields`",
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in `fields` reach into objects"
    )


class DataRename(PureNode[RenameParameters]):
    r"""Gives fields of each item other names; values and other fields stay as they are.

    - `fields` renames one by one. Dots reach deeper: `customer.name` to `name` moves it up. A
      field that an item does not have is passed over.
    - `patterns` renames whatever matches a regular expression, on all levels or down to `depth`:
      `^old_` to `` drops a prefix, `(\w+) id` to `$1_id` keeps a part.
    """

    Parameters = RenameParameters
    type = "data.rename"
    title = "Rename fields"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"fields": [{"name": "first", "to": "first_name"}, {"name": "price", "to": "cost.net"}]},
        {"patterns": [{"pattern": "^due_", "to": "", "depth": 0}]},
    )
    keywords = (
        "rename", "rename keys", "rename fields", "change field names", "column names", "prefix",
        "重命名", "改字段名", "字段改名",
    )  # fmt: skip

    def run(self, given: NodeInput[RenameParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            try:
                fields = _renamed(item["json"], given.parameters_for(index))
                made.append({**item, "json": fields, "paired_item": index})
            except BadPattern as error:
                failures.append(ItemFailure(index, "bad_pattern", str(error)))
            except ValueError as error:
                failures.append(ItemFailure(index, "wrong_name", str(error)))
        return Done({MAIN: made}, failures)

    @classmethod
    def check(cls, parameters: RenameParameters) -> Sequence[tuple[str, str, str]]:
        if not parameters.fields and not parameters.patterns:
            return [("/fields", "missing", "Say what to rename.")]
        return []


def _renamed(fields: JsonObject, parameters: RenameParameters) -> JsonObject:
    names = FieldNames(parameters.dot_notation)
    renamed = dict(fields)
    for each in parameters.fields:
        found, value = names.find(renamed, each.name)
        if found and each.name != each.to:
            names.drop(renamed, each.name)
            names.put(renamed, each.to, value)
    for each in parameters.patterns:
        renamed = _by_pattern(renamed, each, each.depth)
    return renamed


def _by_pattern(value: Any, renaming: PatternRenaming, depth: int) -> Any:
    if isinstance(value, list):
        members = cast("list[Any]", value)
        if depth == 0:
            return members
        return [_by_pattern(member, renaming, depth - 1) for member in members]
    if not isinstance(value, dict):
        return value
    renamed: JsonObject = {}
    for name, inner in cast("JsonObject", value).items():
        renamed[_new_name(name, renaming)] = (
            inner if depth == 0 else _by_pattern(inner, renaming, depth - 1)
        )
    return renamed


def _new_name(name: str, renaming: PatternRenaming) -> str:
    pattern = renaming.pattern if renaming.case_sensitive else f"/{renaming.pattern}/i"
    return replace_first(pattern, renaming.to, name)

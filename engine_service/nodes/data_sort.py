"""`data.sort`: puts items in order."""

import hashlib
import random
from collections.abc import Sequence
from typing import ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import MAIN, Done, Failed, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.values.fields import FieldNames
from engine_service.values.ordering import MISSING, sort_by
from shared.workflow import Item, JsonObject


class SortField(BaseModel):
    """A field to sort by."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="The field; dots reach deeper")
    order: Literal["ascending", "descending"] = Field(
        default="ascending", description="Smallest or largest first"
    )


class SortParameters(NodeParameters):
    """The order to put items in."""

    mode: Literal["fields", "random"] = Field(
        default="fields", description="By fields, or shuffled"
    )
    fields: list[SortField] = Field(
        default_factory=list[SortField],
        max_length=20,
        description="The fields to sort by; later ones decide where earlier ones are equal",
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )


class DataSort(PureNode[SortParameters]):
    """Puts all items in order, by one field or several, or shuffles them.

    Texts are compared regardless of case, numbers by value; items that are equal keep their order.
    What has no order among the others, like a missing value between texts, comes last. A field
    that no item has fails the node: it is misspelt, most likely. `random` shuffles; the same items
    in the same run are shuffled the same way.

    For an order of your own use `code.javascript`.
    """

    Parameters = SortParameters
    type = "data.sort"
    title = "Sort"
    per_item = False
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"fields": [{"name": "total", "order": "descending"}, {"name": "customer"}]},
        {"mode": "random"},
    )
    keywords = (
        "sort", "order by", "ascending", "descending", "rank", "alphabetical", "shuffle", "random",
        "arrange", "排序", "升序", "降序", "随机", "按顺序",
    )  # fmt: skip

    def run(self, given: NodeInput[SortParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        if parameters.mode == "random":
            order = _shuffled(given)
        else:
            names = FieldNames(parameters.dot_notation)
            for field in parameters.fields:
                if not names.in_any(given.items, field.name):
                    return Failed("no_such_field", f"No item has the field {field.name}.")
            order = _sorted(given.items, parameters.fields, names)
        made: list[Item] = [{**given.items[index], "paired_item": index} for index in order]
        return Done({MAIN: made})

    @classmethod
    def check(cls, parameters: SortParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.mode == "fields" and not parameters.fields:
            return [("/fields", "missing", "Say by which fields to sort.")]
        return []


def _sorted(items: list[Item], fields: Sequence[SortField], names: FieldNames) -> list[int]:
    order = list(range(len(items)))
    # Sorting is stable, so the least important field goes first.
    for field in reversed(fields):
        values = [_value(item, field.name, names) for item in items]
        sort_by(order, values, descending=field.order == "descending")
    return order


def _value(item: Item, name: str, names: FieldNames) -> object:
    found, value = names.find(item["json"], name)
    return value if found else MISSING


def _shuffled(given: NodeInput[SortParameters]) -> list[int]:
    """An order that chance gave, the same when the node is computed again after a crash."""
    seed = hashlib.sha256(f"{given.run['id']}:{given.definition.id}".encode())
    for item in given.items:
        seed.update(orjson.dumps(item["json"], default=str))
    order = list(range(len(given.items)))
    random.Random(seed.digest()).shuffle(order)
    return order

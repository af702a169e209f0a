"""`data.limit`: keeps the first or the last few items."""

from typing import ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Outcome, PureNode
from shared.workflow import Item, JsonObject


class LimitParameters(NodeParameters):
    """How many, and which."""

    max_items: int = Field(default=1, ge=0, description="How many items stay at the most")
    keep: Literal["first", "last"] = Field(
        default="first", description="Whether the first or the last ones stay"
    )


class DataLimit(PureNode[LimitParameters]):
    """Keeps at most so many items and drops the others.

    The items that stay keep their order, be they the first or the last ones. Put a `data.sort`
    before it for "the three largest".
    """

    Parameters = LimitParameters
    type = "data.limit"
    title = "Limit"
    per_item = False
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"max_items": 10},
        {"max_items": 1, "keep": "last"},
    )
    keywords = (
        "limit", "first items", "last items", "top", "head", "tail", "take", "at most", "newest",
        "限制数量", "前几条", "最后几条", "取前",
    )  # fmt: skip

    def run(self, given: NodeInput[LimitParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        count = min(parameters.max_items, len(given.items))
        start = 0 if parameters.keep == "first" else len(given.items) - count
        kept: list[Item] = [
            {**given.items[index], "paired_item": index} for index in range(start, start + count)
        ]
        return Done({MAIN: kept})

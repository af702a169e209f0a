"""`flow.filter`: lets some items through."""

from collections.abc import Sequence
from datetime import UTC
from typing import ClassVar

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
from engine_service.values.conditions import Conditions, misfits
from shared.workflow import Item, JsonObject


class FilterParameters(Conditions, NodeParameters):
    """The conditions an item must meet."""


class FlowFilter(PureNode[FilterParameters]):
    """Keeps the items that meet the conditions and drops the others.

    The conditions are those of `flow.if`; use that one when the dropped items matter too. When
    no item is left, the nodes behind are skipped.
    """

    Parameters = FilterParameters
    type = "flow.filter"
    title = "Filter"
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "conditions": [
                {"left": "{{ $json.email }}", "operator": "ends_with", "right": "@example.com"}
            ],
            "loose": True,
        },
    )
    keywords = (
        "filter", "keep", "remove items", "only", "where", "select items", "drop", "exclude",
        "过滤", "筛选", "只保留", "排除",
    )  # fmt: skip

    def run(self, given: NodeInput[FilterParameters]) -> Outcome:
        kept: list[Item] = []
        failures: list[ItemFailure] = []
        zone = given.now.tzinfo or UTC
        verdicts = [parameters.judge(zone) for parameters in given.parameters]
        for index, item in enumerate(given.items):
            verdict = verdicts[index if len(verdicts) > 1 else 0]
            if isinstance(verdict, Failed):
                failures.append(ItemFailure(index, verdict.code, verdict.message))
            elif verdict:
                kept.append({**item, "paired_item": index})
        return Done({MAIN: kept}, failures)

    @classmethod
    def check(cls, parameters: FilterParameters) -> Sequence[tuple[str, str, str]]:
        return misfits(parameters)

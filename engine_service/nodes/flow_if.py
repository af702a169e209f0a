"""`flow.if`: sends each item one of two ways."""

from collections.abc import Sequence
from datetime import UTC
from typing import ClassVar

from engine_service.sdk.node import (
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


class IfParameters(Conditions, NodeParameters):
    """The conditions that decide."""


class FlowIf(PureNode[IfParameters]):
    """Sends each item to `true` or to `false`, by conditions.

    Each condition compares `left` with `right` as a `type` (string, number, boolean, date_time,
    array, object) by an `operator`; `combinator` says whether all must hold (`and`) or one
    (`or`). Types are strict unless `loose` is set: the string `"15"` is not the number 15, and an
    item whose value is of another type fails.

    A port that no item takes is an untaken branch: the nodes behind it are skipped.

    Example: `{"left": "{{ $json.total }}", "type": "number", "operator": "gt", "right": 100}`.
    """

    Parameters = IfParameters
    type = "flow.if"
    title = "If"
    outputs = ("true", "false")
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "conditions": [
                {"left": "{{ $json.total }}", "type": "number", "operator": "gt", "right": 100}
            ],
            "loose": True,
        },
        {
            "combinator": "or",
            "case_sensitive": False,
            "conditions": [
                {"left": "{{ $json.subject }}", "operator": "contains", "right": "urgent"},
                {"left": "{{ $json.tags }}", "type": "array", "operator": "empty"},
            ],
            "loose": True,
        },
    )
    keywords = (
        "if", "condition", "branch", "else", "when", "decide", "check", "compare", "true", "false",
        "greater than", "less than", "equals", "contains", "如果", "条件", "判断", "分支", "否则",
        "大于", "小于", "等于", "包含",
    )  # fmt: skip

    def run(self, given: NodeInput[IfParameters]) -> Outcome:
        yes: list[Item] = []
        no: list[Item] = []
        failures: list[ItemFailure] = []
        zone = given.now.tzinfo or UTC
        verdicts = [parameters.judge(zone) for parameters in given.parameters]
        for index, item in enumerate(given.items):
            verdict = verdicts[index if len(verdicts) > 1 else 0]
            if isinstance(verdict, Failed):
                failures.append(ItemFailure(index, verdict.code, verdict.message))
            else:
                (yes if verdict else no).append({**item, "paired_item": index})
        return Done({"true": yes, "false": no}, failures)

    @classmethod
    def check(cls, parameters: IfParameters) -> Sequence[tuple[str, str, str]]:
        return misfits(parameters)

"""`flow.noop`: does nothing."""

from typing import ClassVar

from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Outcome, PureNode
from shared.workflow import JsonObject


class NoopParameters(NodeParameters):
    """None."""


class FlowNoop(PureNode[NoopParameters]):
    """Hands its items on unchanged.

    Good for a place where branches meet for the eye, and as a stand-in for a step that is still
    to be decided.
    """

    Parameters = NoopParameters
    type = "flow.noop"
    title = "Do nothing"
    per_item = False
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)
    keywords = (
        "no operation",
        "do nothing",
        "placeholder",
        "pass through",
        "空操作",
        "占位",
        "什么都不做",
    )

    def run(self, given: NodeInput[NoopParameters]) -> Outcome:
        return Done({MAIN: given.items})

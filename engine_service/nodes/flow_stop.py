"""`flow.stop`: ends a run with an error."""

from typing import ClassVar

from pydantic import Field

from engine_service.sdk.node import Failed, NodeInput, NodeParameters, Outcome, PureNode
from shared.workflow import JsonObject


class StopParameters(NodeParameters):
    """What the error says."""

    message: str = Field(min_length=1, max_length=10_000, description="What went wrong, for people")
    code: str = Field(
        default="stopped",
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="What went wrong, for machines",
    )


class FlowStop(PureNode[StopParameters]):
    """Fails the run with a message of yours.

    Put it at the end of a branch that should never be reached. The run ends as failed, whatever
    its other branches do.
    """

    Parameters = StopParameters
    type = "flow.stop"
    title = "Stop with an error"
    outputs = ()
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"message": "The order {{ $json.id }} has no address", "code": "no_address"},
    )
    keywords = (
        "stop", "error", "fail", "abort", "throw", "raise", "terminate",
        "停止", "报错", "终止", "中止",
    )  # fmt: skip

    def run(self, given: NodeInput[StopParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        return Failed(parameters.code, parameters.message)

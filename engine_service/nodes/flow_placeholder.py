"""`flow.placeholder`: keeps the place of a step that is still to be chosen."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from pydantic import Field

from engine_service.sdk.node import MAIN, Failed, NodeInput, NodeParameters, Outcome, PureNode
from shared.attachments import ATTACHMENTS
from shared.workflow import JsonObject


class PlaceholderParameters(NodeParameters):
    """Why nothing is here yet, and what is known of the step."""

    reason: str = Field(
        min_length=1, max_length=2_000, description="Why there is no step here yet, for people"
    )
    original: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="What is known of the step, such as the node of another system as it was",
    )
    inputs: list[str] = Field(
        default=[MAIN], max_length=50, description="The inputs that connections lead to"
    )
    outputs: list[str] = Field(
        default=[MAIN], max_length=50, description="The ports that connections leave by"
    )


class FlowPlaceholder(PureNode[PlaceholderParameters]):
    """Keeps the place of a step that somebody still has to choose.

    It stands where an imported workflow had a node without counterpart. It keeps what was written
    there, and its connections, so that putting a real node in its place is all there is to do.

    A workflow with a placeholder cannot be activated or run, and says so for each of them. A
    disabled placeholder hands its items on.
    """

    Parameters = PlaceholderParameters
    type = "flow.placeholder"
    title = "Placeholder"
    per_item = False
    verbatim = ("original", "reason")
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "reason": "There is no node for this system yet.",
            "original": {"type": "another-system.send", "parameters": {"to": "ada@example.com"}},
        },
    )
    keywords = (
        "placeholder", "to do", "unmatched", "unsupported", "missing step", "to be decided",
        "占位符", "待定", "未支持的步骤",
    )  # fmt: skip

    @classmethod
    def attaches_as(cls) -> tuple[str, ...]:
        return ATTACHMENTS

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        return _names(parameters.get("outputs"))

    @classmethod
    def input_names(cls, parameters: JsonObject) -> tuple[str, ...]:
        return _names(parameters.get("inputs"))

    @classmethod
    def check(cls, parameters: PlaceholderParameters) -> Sequence[tuple[str, str, str]]:
        return [("", "placeholder", f"A step is still to be chosen: {parameters.reason}")]

    def run(self, given: NodeInput[PlaceholderParameters]) -> Outcome:
        reason = given.parameters_for(0).reason
        return Failed("placeholder", f"A step is still to be chosen here: {reason}")


def _names(value: Any) -> tuple[str, ...]:
    """Names as they are written, which nobody has checked yet."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for name in listed if isinstance(name, str) and name)) or (
        MAIN,
    )

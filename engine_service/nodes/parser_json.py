"""`parser.json`: the form in which an agent answers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from engine_service.sdk.node import AttachedNode, NodeParameters
from shared.workflow import JsonObject


class ParserParameters(NodeParameters):
    """What an answer must look like."""

    output_schema: dict[str, Any] = Field(
        description="JSON Schema of the object that the answer must be"
    )


class ParserJson(AttachedNode[ParserParameters]):
    """Has the agent that it is attached to answer with an object of a given form.

    An answer that does not satisfy the schema is sent back once, with what is wrong about it; if
    the next one does not either, the agent fails with `model_output_invalid`.
    """

    Parameters = ParserParameters
    type = "parser.json"
    title = "Form of the answer"
    kind = "parser"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "output_schema": {
                "type": "object",
                "properties": {"answer": {"type": "string"}, "sources": {"type": "array"}},
                "required": ["answer"],
            }
        },
    )
    keywords = (
        "output parser", "structured output", "json schema of answer", "answer format",
        "输出解析", "结构化输出",
    )  # fmt: skip

    @classmethod
    def check(cls, parameters: ParserParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.output_schema.get("type") != "object":
            return [("/output_schema/type", "wrong_type", "The schema must be that of an object.")]
        return []

"""What a tool asks a model for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelArgument:
    """A value that a node's parameters ask a model for: `$fromAI(name, description, type)`.

    Attributes:
        type: A type of JSON Schema; empty when anything will do.
        default: What is taken when the model gives nothing; without one it must.
    """

    name: str
    description: str = ""
    type: str = "string"
    has_default: bool = False

"""What a node offers to a model as tools of its own, beside the one that any node can be.

A node of most types is one tool, whose arguments its author wrote into its parameters. Some know
themselves what they take: a called workflow its form, a server of tools its tools.
"""

from dataclasses import dataclass

from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool.

    Attributes:
        name: What its node calls it; empty when the node is the tool.
        description: What a model is told of it, unless the author's notes say more.
        arguments: What it takes, as JSON Schema of an object.
        repeatable: It may be used again although nobody knows if its effect happened.
    """

    name: str
    description: str
    arguments: JsonObject
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """How a model asked for a tool that was offered to it."""

    name: str
    arguments: JsonObject

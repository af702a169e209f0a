"""`trigger.mcp`: a language model, or any other client of MCP, uses the workflow as a tool."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Offer, Outcome
from engine_service.sdk.trigger import ToolTrigger
from engine_service.values.forms import FormField, check_fields, defaults_of, form_schema
from shared.workflow import JsonObject


class McpTriggerParameters(NodeParameters):
    """What clients see of the tool."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The tool's name; no other active workflow of yours may have it",
    )
    description: str = Field(
        min_length=1,
        max_length=2_000,
        description="What the tool does and when to use it: models choose by these words",
    )
    fields: list[FormField] = Field(
        default_factory=list[FormField],
        max_length=100,
        description="What it takes; any object will do when there are none",
    )
    read_only: bool = Field(
        default=False, description="Whether clients are told that it changes nothing"
    )


class McpTrigger(ToolTrigger[McpTriggerParameters]):
    """Starts a run when a client of MCP uses the workflow as a tool.

    While the workflow is active, the gateway's MCP server at `/mcp` offers it to every client that
    signs in as one of the tenant. The run's item holds the arguments, which have been held against
    `fields`. The client gets what a `flow.respond` says, or else what the last node gives; when the
    run takes longer than a client waits, it gets the run's id, and the run goes on.
    """

    Parameters = McpTriggerParameters
    type = "trigger.mcp"
    title = "When used as an MCP tool"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"name": "open_orders", "description": "Lists the open orders of a customer.",
         "fields": [{"name": "customer", "description": "The customer's number"}],
         "read_only": True},
        {"name": "note", "description": "Keeps a note for the team."},
    )  # fmt: skip
    keywords = (
        "mcp server", "mcp trigger", "tool for a model", "expose as tool", "offer as tool",
        "对外提供工具", "作为工具", "工具触发器",
    )  # fmt: skip

    def tool(self, parameters: McpTriggerParameters) -> Offer:
        anything: JsonObject = {"type": "object", "properties": {}}
        form = self.input_schema(parameters) or anything
        return Offer(parameters.name, parameters.description, form, parameters.read_only)

    def run(self, given: NodeInput[McpTriggerParameters]) -> Outcome:
        defaults = defaults_of(given.parameters_for(0).fields)
        filled = [{**item, "json": {**defaults, **item["json"]}} for item in given.items]
        return Done({MAIN: filled if defaults else given.items})

    def input_schema(self, parameters: McpTriggerParameters) -> JsonObject | None:
        return form_schema(parameters.fields) if parameters.fields else None

    @classmethod
    def check(cls, parameters: McpTriggerParameters) -> Sequence[tuple[str, str, str]]:
        return list(check_fields(parameters.fields))

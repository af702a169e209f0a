"""What a model may look up while it writes. Nothing here changes anything."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_service.author import Library, Request
from agent_service.engine import Engine
from shared.errors import AppError
from shared.llm import Message, ToolCall, ToolSpec

_Run = Callable[[Mapping[str, Any]], Awaitable[object]]
_RESULT_LENGTH = 12_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what the model is told of it, and what it does."""

    spec: ToolSpec
    run: _Run


def tools_for(request: Request, library: Library | None, engine: Engine) -> Mapping[str, Tool]:
    """The tools of one question to the model, by name."""
    made = [
        _read_node_type(request),
        _validate(engine),
        _simulate(engine),
        _list_workflows(engine),
        *([_search(library)] if library else []),
    ]
    return {tool.spec.name: tool for tool in made}


async def answer_calls(calls: Sequence[ToolCall], tools: Mapping[str, Tool]) -> list[Message]:
    """The answers to a model's calls; what goes wrong is told to the model."""
    return [await _answer(call, tools) for call in calls]


async def _answer(call: ToolCall, tools: Mapping[str, Tool]) -> Message:
    tool = tools.get(call.name)
    if tool is None:
        return Message.tool(call.call_id, f"There is no tool {call.name!r}.", is_error=True)
    try:
        result = await tool.run(call.parse())
    except (AppError, KeyError, TypeError) as error:
        return Message.tool(call.call_id, f"{type(error).__name__}: {error}", is_error=True)
    return Message.tool(call.call_id, json.dumps(result, ensure_ascii=False)[:_RESULT_LENGTH])


def _spec(name: str, description: str, **properties: str) -> ToolSpec:
    """A tool whose arguments are texts or, where the description says so, objects."""
    shapes = {
        key: {"type": "object" if "object" in words else "string", "description": words}
        for key, words in properties.items()
    }
    schema = {"type": "object", "properties": shapes, "required": list(shapes)}
    return ToolSpec(name, description, schema)


def _search(library: Library) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> object:
        found = await library.search(str(arguments["query"]), limit=6)
        return [
            {"kind": one.kind, "name": one.name, "title": one.title, "text": one.text}
            for one in found.passages
        ]

    words = "Search node types, practices and example workflows by meaning."
    return Tool(_spec("search_node_types", words, query="What to look for"), run)


def _read_node_type(request: Request) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> object:
        known = request.catalogue.find(str(arguments["type"]))
        if known is None:
            nearest = request.catalogue.nearest(str(arguments["type"]))
            return {"error": "no such node type", "nearest": nearest}
        return {
            "type": known.type,
            "documentation": known.documentation,
            "parameters": known.parameters_schema,
            "inputs": known.inputs,
            "outputs": known.outputs,
            "examples": known.examples,
        }

    words = "Read a node type's documentation, parameters, ports and examples."
    return Tool(_spec("read_node_type", words, type="Its name, such as http.request"), run)


def _validate(engine: Engine) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> object:
        verdict = await engine.validate(arguments["definition"])
        findings = [one.model_dump() for one in verdict.findings]
        return {"valid": verdict.valid, "findings": findings}

    words = "Check a workflow definition; says everything that is wrong with it."
    return Tool(_spec("validate", words, definition="The whole definition, an object"), run)


def _simulate(engine: Engine) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> object:
        trial = await engine.simulate(arguments["definition"])
        return {
            "status": trial.status,
            "error": trial.error,
            "effects": [one.summary for one in trial.effects],
            "unreached": list(trial.unreached),
        }

    words = "Try a workflow definition without touching the world."
    return Tool(_spec("simulate", words, definition="The whole definition, an object"), run)


def _list_workflows(engine: Engine) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> object:
        del arguments
        return list(await engine.list_workflow_names())

    return Tool(_spec("list_workflows", "List the names of the person's workflows."), run)

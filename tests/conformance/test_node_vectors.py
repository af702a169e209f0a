"""What other people's nodes of the same job do: recorded parameters and items, and the outcome.

The rows speak n8n's language. The importer puts them into ours, so that what is compared is what
an imported node makes of the items. A row is left out only for a reason that is written here.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from engine_service.catalogue import builtin
from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Evaluator, Scope, compile_parameters
from engine_service.n8n.mapping import Fields, Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from engine_service.sdk.node import MAIN, ActionNode, Done, NodeInput, NodeType, PureNode
from shared.workflow import Item, JsonObject
from tests.support.file_store import FileStore
from tests.support.recorded import DATA, lines_of
from tests.support.run_node import NOW, given, run_action, run_pure, services

if not DATA.is_dir():
    pytest.skip("the recorded nodes are not on this machine", allow_module_level=True)

SPEAKS_OF_OTHERS = "it speaks of nodes that the row does not show"
WAS_CHANGED_LATER = (
    "its recorded output was changed by the node after it, which held the same object"
)
IS_OF_FILES = "it compares the bytes of a file, which the row does not hold"
EXCLUDED = {
    "op-ff3a05fa10": "its second input had not come when it ran, as the old order let it",
    "op-a2c77fae53": "its second input had not come when it ran, as the old order let it",
    "op-d845292f83": IS_OF_FILES,
    "op-681733b3eb": WAS_CHANGED_LATER,
    "op-29cb6267b7": WAS_CHANGED_LATER,
}
NAMED = re.compile(r"""\$(?:\(|node\[|items\()\s*["'`]([^"'`]+)""")
ROWS = lines_of("n8n_op_vectors.jsonl")
BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}


def row_or_reason(row: JsonObject) -> Any:
    reason = EXCLUDED.get(row["id"])
    if reason is None and not names_in(row) <= others_of(row).keys():
        reason = SPEAKS_OF_OTHERS
    marks = [] if reason is None else [pytest.mark.skip(reason)]
    return pytest.param(row, id=f"{row['type']}-{row['id']}", marks=marks)


def names_in(row: JsonObject) -> set[str]:
    """The nodes that a row's parameters speak of."""
    return {name for text in texts_in(row["parameters"]) for name in NAMED.findall(text)}


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        inner = cast("Any", value)
        for each in inner.values() if isinstance(value, dict) else inner:
            yield from texts_in(each)


def others_of(row: JsonObject) -> dict[str, list[Item]]:
    """What the other recorded nodes of the same workflow gave."""
    found: dict[str, list[Item]] = {}
    for each in ROWS:
        if each["source"] == row["source"]:
            objects: list[JsonObject] = (each["outputs"] or [[]])[0] or []
            found[each["node"]] = [{"json": one} for one in objects]
    return found


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(timeout=10.0)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(workers=1)
    yield made
    await made.close()


@dataclass(frozen=True)
class Bench:
    """What nodes are run with."""

    evaluator: Evaluator
    sandbox: Sandbox
    files: FileStore


@pytest.fixture
def bench(evaluator: Evaluator, sandbox: Sandbox, tmp_path: Path) -> Bench:
    return Bench(evaluator, sandbox, FileStore(tmp_path))


@pytest.mark.parametrize("row", [row_or_reason(row) for row in ROWS])
async def test_a_node_does_as_recorded(row: JsonObject, bench: Bench) -> None:
    mapped = our_node(row)

    outcome = await outcome_of(mapped, row, bench)

    assert by_output(outcome, mapped, row) == without_empty_ends(row["outputs"])


def our_node(row: JsonObject) -> Mapped:
    name = f"n8n-nodes-base.{row['type']}"
    fields = Fields(row["parameters"])
    source = SourceNode(row["node"], name, row["typeVersion"], fields, row, len(row["outputs"]))
    return BY_TYPE[name].translate(source)


async def what_it_gets(
    mapped: Mapped, node_type: type[NodeType[Any]], row: JsonObject, v8: Evaluator
) -> NodeInput[Any]:
    recorded: list[list[JsonObject] | None] = row["inputs"]
    inputs: dict[str, list[Item]] = {name: [] for name in mapped.inputs}
    for name, objects in zip(mapped.inputs, recorded, strict=False):
        inputs[name] = [{"json": one} for one in objects or []]
    if recorded == [[]] and any(row["outputs"]):
        inputs[mapped.inputs[0]] = [{"json": {}}]  # it began with nothing: one empty item, there
    first = inputs[mapped.inputs[0]]
    scope = scope_of(row, first)
    each = await filled(mapped, node_type, scope, v8)
    made = given(node_type, each, inputs, now=NOW.astimezone(ZoneInfo(row["tz"])))
    return replace(made, scope=lambda: scope)


def scope_of(row: JsonObject, items: list[Item]) -> Scope:
    others = others_of(row)
    pairs = {name: [0 if len(there) == 1 else None] * len(items) for name, there in others.items()}
    return Scope(items=items, now=NOW, zone=row["tz"], nodes=others, pairs=pairs)


async def filled(
    mapped: Mapped, node_type: type[NodeType[Any]], scope: Scope, v8: Evaluator
) -> list[JsonObject]:
    compiled = compile_parameters(mapped.parameters, node_type.verbatim)
    every = node_type.per_item and compiled.per_item
    indexes = range(len(scope.items)) if every else (0,)
    return await v8.resolve(compiled, scope, indexes)


async def outcome_of(mapped: Mapped, row: JsonObject, bench: Bench) -> Done:
    known = builtin().find(mapped.type)
    assert known is not None
    node_type = type(known)
    what = await what_it_gets(mapped, node_type, row, bench.evaluator)
    if mapped.parameters.get("operation") == "read":
        await add_file(what, row, bench)
    if issubclass(node_type, PureNode):
        outcome = run_pure(node_type, what)
    else:
        assert issubclass(node_type, ActionNode)
        outcome = await run_action(
            node_type, what, services(sandbox=bench.sandbox, blobs=bench.files)
        )
    assert isinstance(outcome, Done), outcome
    assert not outcome.failures
    return outcome


async def add_file(what: NodeInput[Any], row: JsonObject, bench: Bench) -> None:
    """Attach the file that another recorded node of the same workflow writes, as it is here."""
    for other in ROWS:
        written = our_node(other) if other["source"] == row["source"] else None
        if written is not None and written.parameters.get("operation") == "write":
            made = await outcome_of(written, other, bench)
            what.items[0]["binary"] = made.outputs[MAIN][0].get("binary")


def by_output(outcome: Done, mapped: Mapped, row: JsonObject) -> list[list[JsonObject]]:
    """What leaves by each output of the recorded node."""
    ports = [(each,) if isinstance(each, str) else each for each in mapped.outputs]
    found: list[list[JsonObject] | None] = [
        [item["json"] for port in several for item in outcome.outputs.get(port, [])]
        for several in ports
    ]
    if row["alwaysOutputData"] and not any(found):
        found[0] = [{}]
    return without_empty_ends(found)


def without_empty_ends(outputs: list[list[JsonObject] | None]) -> list[list[JsonObject]]:
    found = [output or [] for output in outputs]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found

"""n8n's own test workflows, imported and run here: what their nodes are expected to give.

What differs is listed with its reason in `n8n_workflows_that_differ.json`; a row there that does
not differ any more fails as well. Nodes that exist in tests only are added to the mappings here.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from pydantic import Field

from engine_service.catalogue import Catalogue, builtin
from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Evaluator
from engine_service.n8n import import_document
from engine_service.n8n.mapping import Mapped, NodeMapping, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.sdk.trigger import Trigger
from shared.workflow import Item, JsonObject, Workflow
from tests.support.perform import Performance
from tests.support.recorded import DATA, json_of

if not DATA.is_dir():
    pytest.skip("the recorded workflows are not on this machine", allow_module_level=True)

FILES = sorted((DATA / "n8n_node_tests").glob("*.json"))
ENGINE_TESTS: list[JsonObject] = json_of("n8n_engine_v1WorkflowExecuteTests.json")
DIFFERENCES: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("n8n_workflows_that_differ.json").read_text(encoding="utf-8")
)
ONCE_FOR_ALL_EDGES = {"should run node twice when it has two input connections"}
"""Here a node runs once for all edges into one of its inputs, with all their items; n8n runs it
for each."""


# --- nodes that exist in tests only


class GivenParameters(NodeParameters):
    """What to give."""

    items: list[JsonObject] = Field(default_factory=list[JsonObject])


class Given(PureNode[GivenParameters]):
    """Gives what it was given."""

    Parameters = GivenParameters
    type = "data.given"
    title = "Given"
    per_item = False
    verbatim = ("items",)
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)

    def run(self, given: NodeInput[GivenParameters]) -> Outcome:
        return Done({MAIN: [{"json": one} for one in given.parameters_for(0).items]})


def people() -> list[JsonObject]:
    """The customers of n8n's training node, which only an expectation shows."""
    for file in FILES:
        for items in _document(file).get("pinData", {}).values():
            for value in items[0].get("json", {}).values():
                if isinstance(value, list) and "@west-egg.com" in json.dumps(value):
                    rows = cast("list[Any]", value)
                    if isinstance(rows[0], dict) and "created" in rows[0]:
                        return rows
    return []


def _document(file: Path) -> JsonObject:
    return json.loads(file.read_text(encoding="utf-8"))


PEOPLE = people()


def _data(node: SourceNode) -> Mapped:
    return Mapped("data.given", {"items": node.fields.verbatim("data", [])})


def _people(node: SourceNode) -> Mapped:
    node.fields.ignore("operation", "returnAll")
    return Mapped("data.given", {"items": PEOPLE})


ALL_MAPPINGS = (
    *MAPPINGS,
    NodeMapping(("n8n-nodes-testing.testData",), _data),
    NodeMapping(("n8n-nodes-base.n8nTrainingCustomerDatastore",), _people),
)
CATALOGUE = Catalogue([*(type(known) for known in builtin()), Given])


# --- running


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


async def performed(
    document: JsonObject, evaluator: Evaluator, sandbox: Sandbox
) -> tuple[Workflow, Performance]:
    workflow = import_document(document, ALL_MAPPINGS).workflow
    triggers = [n.id for n in workflow.nodes if isinstance(CATALOGUE.find(n.type), Trigger)]
    given: Item = document.get("trigger", {}).get("input", {"json": {}})
    performance = Performance(workflow, triggers[0], [given], CATALOGUE)
    await performance.run(evaluator, sandbox)
    return workflow, performance


def first_port(performance: Performance, name: str) -> str:
    step = performance.program.steps_by_name.get(name)
    return step.shape.ports[0] if step is not None else MAIN


def _expected(items: list[JsonObject]) -> list[JsonObject]:
    return [item.get("json", item) for item in items]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_nodes_give_what_is_expected(
    file: Path, evaluator: Evaluator, sandbox: Sandbox
) -> None:
    document = _document(file)
    _, performance = await performed(document, evaluator, sandbox)
    different = {
        name
        for name, items in document.get("pinData", {}).items()
        if performance.jsons(name, first_port(performance, name)) != _expected(items)
    }
    assert different == DIFFERENCES.get(file.name, {}).keys(), performance.failed


def test_at_least_95_of_100_expectations_are_met() -> None:
    count = sum(len(_document(file).get("pinData", {})) for file in FILES)
    missed = sum(map(len, DIFFERENCES.values()))
    assert missed <= 0.05 * count


@pytest.mark.parametrize("row", ENGINE_TESTS, ids=lambda row: row["description"][:40])
async def test_the_engine_goes_the_same_way(
    row: JsonObject, evaluator: Evaluator, sandbox: Sandbox
) -> None:
    document = {**row["input"]["workflowData"], "settings": {"executionOrder": "v1"}}
    _, performance = await performed(document, evaluator, sandbox)
    expected = row["output"]
    order = [one.step.node.name for one in performance.order]
    nodes: dict[str, list[list[list[JsonObject] | None]]] = expected["nodeData"]
    all_ports = expected.get("testAllOutputs", False)
    given = {name: [_by_port(run, all_ports) for run in runs] for name, runs in nodes.items()}
    made = {name: _executions(performance, name, all_ports) for name in nodes}
    wanted: list[str] = expected["nodeExecutionOrder"]
    if row["description"] in ONCE_FOR_ALL_EDGES:
        wanted = list(dict.fromkeys(wanted))
        given = {
            name: [[[item for run in runs for item in run[0]]]] for name, runs in given.items()
        }
    assert (order, made) == (wanted, given)


def _by_port(run: list[list[JsonObject] | None], all_ports: bool) -> list[list[JsonObject]]:
    ports = [items or [] for items in run]
    return _without_empty_end(ports) if all_ports else ports[:1]


def _executions(
    performance: Performance, name: str, all_ports: bool
) -> list[list[list[JsonObject]]]:
    """What each execution of a node gave: by its first port, or by all of them."""
    step = performance.program.steps_by_name[name]
    made: list[list[list[JsonObject]]] = []
    for one in performance.state.of_step.get(step.id, []):
        outputs = one.finished.outputs if one.finished else {}
        ports = [[item["json"] for item in outputs.get(port, [])] for port in step.shape.ports]
        made.append(_without_empty_end(ports) if all_ports else ports[:1])
    return made


def _without_empty_end(ports: list[list[JsonObject]]) -> list[list[JsonObject]]:
    while ports and not ports[-1]:
        ports = ports[:-1]
    return ports

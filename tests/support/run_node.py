"""Runs one node type by itself: parameters and items in, what comes of it out.

Parameters are filled already, as the engine would have done; several stand for one per item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine_service.sdk.blob import Blobs, NoBlobs
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Asked,
    Credentials,
    Done,
    HttpClient,
    Network,
    NoCredentials,
    NodeError,
    NodeInput,
    NodeType,
    NoNetwork,
    Outcome,
    PureNode,
    Resumption,
    Services,
)
from engine_service.sdk.tenant_data import NoTenantData, TenantData
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.workflow import Item, JsonObject, Node

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def items(*objects: JsonObject) -> list[Item]:
    """Objects as items."""
    return [{"json": each} for each in objects]


def jsons(outcome: Outcome, port: str = MAIN) -> list[JsonObject]:
    """The objects that left by a port of a node that is done."""
    assert isinstance(outcome, Done), outcome
    return [item["json"] for item in outcome.outputs.get(port, [])]


def given(
    node_type: type[NodeType[Any]],
    parameters: JsonObject | Sequence[JsonObject],
    inputs: Mapping[str, list[Item]] | list[Item] | None = None,
    *,
    now: datetime = NOW,
    resumption: Resumption | None = None,
    asked: Asked | None = None,
) -> NodeInput[Any]:
    """What a node is given."""
    each = [parameters] if isinstance(parameters, dict) else list(parameters)
    if inputs is None:
        inputs = items({})
    by_name = {MAIN: inputs} if isinstance(inputs, list) else dict(inputs)
    return NodeInput(
        definition=Node(id="node", name="Node", type=node_type.type, parameters=each[0]),
        parameters=[node_type.Parameters.model_validate(one) for one in each],
        inputs=by_name,
        arrived=frozenset(by_name),
        run={
            "id": "run_1",
            "mode": "live",
            "workflow_id": "wf_1",
            "workflow_name": "Test",
            "trigger": "manual",
        },
        now=now,
        resumption=resumption,
        asked=asked,
    )


def run_pure(node_type: type[PureNode[Any]], what: NodeInput[Any]) -> Outcome:
    """Run a pure node as the executor would: a NodeError becomes its failure."""
    try:
        return node_type().run(what)
    except NodeError as error:
        return error.failure


async def run_action(
    node_type: type[ActionNode[Any]], what: NodeInput[Any], services: Services
) -> Outcome:
    """Run an action as the executor would: a NodeError becomes its failure."""
    try:
        return await node_type().run(what, services)
    except NodeError as error:
        return error.failure


@dataclass
class Watched:
    """What a node told while it ran."""

    deltas: list[JsonObject] = field(default_factory=list[JsonObject])
    lines: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def services(
    *,
    http: HttpClient | None = None,
    models: Any = None,
    sandbox: Any = None,
    credentials: Credentials | None = None,
    network: Network | None = None,
    watched: Watched | None = None,
    key: str = "run_1:node:0",
    blobs: Blobs | None = None,
    data: TenantData | None = None,
    most_bytes: int = 10_000_000,
) -> Services:
    """Services for an action; HTTP reaches nothing inner unless a client is given."""
    told = watched or Watched()

    async def emit(data: JsonObject) -> None:
        told.deltas.append(data)

    async def log(level: str, message: str) -> None:
        told.lines.append((level, message))

    return Services(
        http=http or GuardedHttpClient(AllowList()),
        sandbox=sandbox,
        models=models,
        idempotency_key=key,
        emit=emit,
        log=log,
        credentials=credentials or NoCredentials(),
        network=network or NoNetwork(),
        blobs=blobs or NoBlobs(),
        data=data or NoTenantData(),
        most_bytes=most_bytes,
    )


def allowing(*entries: str) -> GuardedHttpClient:
    """A real client that may reach these inner places."""
    return GuardedHttpClient(AllowList.parse(entries))


def as_action(node_type: type[NodeType[Any]]) -> type[ActionNode[Any]]:
    assert issubclass(node_type, ActionNode)
    return node_type

"""Runs nodes: one that has its turn, and those that are attached to it and belong to it.

What is attached has no turn of its own. Its parameters are filled with what its user sees; its
credentials are its own; as a tool it is run with one item, the user's with a model's arguments over
it, under a key that says which call it was.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, cast

import structlog

from engine_service.definitions.program import ReadyNode
from engine_service.expressions import Evaluator
from engine_service.expressions.asking import arguments_of
from engine_service.running.attempt import Call, Filled, parameters_of, run_facts, scope_of
from engine_service.sdk.model_argument import ModelArgument
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Asked,
    Attached,
    Credentials,
    Failed,
    NoCredentials,
    NodeError,
    NodeInput,
    NodeParameters,
    NodeType,
    Offer,
    Outcome,
    PureNode,
    Resumption,
    Services,
)
from engine_service.sdk.progress import PartOf
from engine_service.values import patterns
from engine_service.vault.veil import hidden, veil_of, veiled
from shared.workflow import Item, JsonObject
from shared.workflow import Node as NodeDefinition

log = structlog.get_logger()


class CredentialSource(Protocol):
    """Where credentials come from; engine_service/vault/keychain.py is the real one."""

    def of(self, tenant_id: str, references: Mapping[str, str]) -> Credentials:
        """What a node refers to, in its tenant."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """What attached nodes are run with; `seconds` bounds one whose settings name no timeout."""

    evaluator: Evaluator
    keychain: CredentialSource | None
    seconds: float


def attached_to(
    call: Call, filled: Filled, bench: Bench, services: Services
) -> Callable[[str], Sequence[Attached]]:
    """What is attached to the node that is called, by kind."""
    return _Owned(call, filled, bench).by(call.node, services)


async def let_act(
    node: ReadyNode, given: NodeInput[Any], services: Services, seconds: float
) -> Outcome:
    """Let an action do its work, for as long as its settings or `seconds` allow."""
    seconds = node.definition.settings.timeout or seconds
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await cast("ActionNode[Any]", node.type).run(given, services)
    except NodeError as error:
        return error.failure
    except TimeoutError as error:
        if not limit.expired():
            return unexpected(node, error)
        message = f"The node did not end within {seconds:g} seconds."
        return Failed("timeout", message, retryable=True, outcome_known=False)
    except Exception as error:  # a node's mistake must not reach other runs
        return unexpected(node, error)


def compute(node: ReadyNode, given: NodeInput[Any]) -> Outcome:
    """Let a pure node compute."""
    try:
        with patterns.Budget():
            return cast("PureNode[Any]", node.type).run(given)
    except NodeError as error:
        return error.failure
    except Exception as error:  # a node's mistake must not reach other runs
        return unexpected(node, error)


def unexpected(node: ReadyNode, error: Exception) -> Failed:
    """The failure of a node that broke."""
    log.error("node_broke", type=node.type.type, exc_info=error)
    return Failed("internal_error", "Something went wrong inside this node.")


@dataclass(frozen=True, slots=True)
class _Owned:
    """What belongs to the node that runs, directly or through another one."""

    call: Call
    filled: Filled
    bench: Bench

    def by(self, owner: ReadyNode, services: Services) -> Callable[[str], Sequence[Attached]]:
        kinds = self.call.program.attached.get(owner.definition.id, {})

        def of_kind(kind: str) -> Sequence[Attached]:
            return [_AttachedNode(self, node, services) for node in kinds.get(kind, ())]

        return of_kind


class _AttachedNode:
    """One of them; implements `node.Attached`."""

    def __init__(self, owned: _Owned, node: ReadyNode, services: Services) -> None:
        self._owned = owned
        self._node = node
        self._users = services

    @property
    def definition(self) -> NodeDefinition:
        return self._node.definition

    @property
    def type(self) -> NodeType[Any]:
        return self._node.type

    @property
    def asks_for(self) -> Sequence[ModelArgument]:
        return arguments_of(self.definition.parameters)

    @property
    def services(self) -> Services:
        return self._own

    @cached_property
    def _own(self) -> Services:
        credentials = self._credentials()
        hide, users = credentials.hide, self._users

        async def emit(data: JsonObject) -> None:
            await users.emit({"node_id": self.definition.id, **hidden(data, hide)})

        async def write(level: str, message: str) -> None:
            await users.log(level, hide(f"{self.definition.name}: {message}"))

        own = replace(users, credentials=credentials, emit=emit, log=write)
        return replace(own, attached=self._owned.by(self._node, own))

    async def offers(self, index: int) -> Sequence[Offer]:
        return await self.type.offers(await self.fill(index), self.services)

    async def fill(self, index: int) -> NodeParameters:
        return (await self._given(index, {})).parameters_for(0)

    async def run(
        self,
        index: int,
        arguments: JsonObject,
        call: str,
        resumption: Resumption | None = None,
        offer: str | None = None,
    ) -> Outcome:
        # What it offered has arguments of its own, which its author's expressions must not see.
        asked = None if offer is None else Asked(offer, arguments)
        try:
            given = await self._given(index, arguments if asked is None else {})
        except NodeError as error:
            return error.failure
        given = replace(given, resumption=resumption, asked=asked)
        if self._node.is_pure:
            return compute(self._node, given)
        users = self._users
        own = replace(
            self._own,
            idempotency_key=f"{users.idempotency_key}:{call}",
            progress=PartOf(users.progress, call),
        )
        own = replace(own, attached=self._owned.by(self._node, own))
        outcome = await let_act(self._node, given, own, self._owned.bench.seconds)
        secretive = given.parameters if self._node.secretive else ()
        return veiled(outcome, veil_of(own.credentials, secretive))

    def _credentials(self) -> Credentials:
        keychain, references = self._owned.bench.keychain, self.definition.credentials
        if keychain is None or not references:
            return NoCredentials()
        return keychain.of(self._owned.call.run.tenant_id, references)

    async def _given(self, index: int, arguments: JsonObject) -> NodeInput[Any]:
        """What it is given for an item of its user, with a model's arguments."""
        call, kept = self._owned.call, self._owned.filled.kept
        place = index if kept is None else kept[index]
        nothing: Item = {"json": {}}
        item = call.items[place] if place < len(call.items) else nothing
        # What a model said stands in the item under its name; that is where `$fromAI` looks.
        item = {**item, "json": {**item["json"], **arguments}}
        items = [*call.items[:place], item, *call.items[place + 1 :]]
        scope = scope_of(call, items)
        [row] = await self._owned.bench.evaluator.rows(self._node.compiled, scope, [place])
        made = parameters_of(self._node, row)
        if isinstance(made, Failed):
            raise NodeError(made)
        return NodeInput(
            definition=self.definition,
            parameters=[made],
            inputs={MAIN: [item]},
            arrived=frozenset({MAIN}),
            run=run_facts(call),
            now=call.now.astimezone(call.program.zone),
            scope=lambda: replace(scope, items=[item]),
        )

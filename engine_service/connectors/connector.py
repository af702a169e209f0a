"""What a connector's node does with each item: perform the operation, and give what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from engine_service.connectors.asking import Caller
from engine_service.connectors.operation import Choice, Operation
from engine_service.connectors.vendor import Vendor
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    Outcome,
    Services,
)
from engine_service.web.outgoing_bodies import without_query
from shared.workflow import Item, JsonObject

READS_AT_ONCE = 5


class Connector(ActionNode[Operation]):
    """A node for one vendor's API. Subclasses declare the vendor and their operations."""

    vendor: ClassVar[Vendor]
    effect = Effect.UNSAFE
    needs_credential = True

    async def run(self, given: NodeInput[Operation], services: Services) -> Outcome:
        count = len(given.items)
        if not count:
            return Done({MAIN: []})
        caller = await self.caller(services)

        async def perform(index: int) -> list[Item]:
            own = caller if count == 1 else caller.for_item(index)
            own = replace(own, item=given.items[index])
            operation = given.parameters_for(index)
            members = await self.perform(operation, own)
            return [
                {"json": as_object(operation.shown(member)), "paired_item": index}
                for member in members
            ]

        return await each_item(count, _at_once(given), perform)

    async def caller(self, services: Services) -> Caller:
        """Who asks the vendor.

        Raises:
            NodeError: Nobody can: there is no credential, or it cannot be opened.
        """
        credential = await services.credentials.find(*self.credential_types)
        if credential is None:
            types = " or ".join(self.credential_types)
            raise NodeError(Failed("credential_missing", f"It needs a credential: {types}."))
        return Caller(self.vendor, credential, services, services.idempotency_key)

    async def perform(self, operation: Operation, caller: Caller) -> list[Any]:
        """Do one operation.

        Raises:
            NodeError: It failed.
        """
        return await caller.perform(operation)

    def plan(self, parameters: Operation) -> str:
        shown = without_query(self.address(parameters))
        return f"{self.vendor.name}: {parameters.to_call().method} {shown}"

    def address(self, parameters: Operation) -> str:
        return self.vendor.address(None, parameters.to_path())

    def sample(self, given: NodeInput[Operation]) -> Done:
        made: list[Item] = [
            {"json": given.parameters_for(index).sample, "paired_item": index}
            for index in range(len(given.items))
        ]
        return Done({MAIN: made})

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        assert issubclass(cls.Parameters, Choice)
        operation = cls.Parameters.find(parameters.get("operation"))
        return cls.effect if operation is None else operation.effect_of(parameters)

    @classmethod
    def check(cls, parameters: Operation) -> Sequence[tuple[str, str, str]]:
        return list(parameters.findings())


async def each_item(
    count: int, at_once: int, perform: Callable[[int], Awaitable[list[Item]]]
) -> Outcome:
    """Perform something for each item, so many at once; what came of it, in their order."""
    slots = asyncio.Semaphore(at_once)

    async def in_turn(index: int) -> list[Item] | Failed:
        async with slots:
            try:
                return await perform(index)
            except NodeError as error:
                return error.failure

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(index)) for index in range(count)]
    return _outcome([task.result() for task in tasks])


def _at_once(given: NodeInput[Operation]) -> int:
    """What changes something is done in the items' order."""
    reading = given.parameters_for(0).to_call().effect is Effect.READ
    return READS_AT_ONCE if reading else 1


def _outcome(answers: Sequence[list[Item] | Failed]) -> Outcome:
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    if failed and len(failed) == len(answers):
        # With nothing done the engine can repeat the whole node, unless one may have been.
        return min(failed, key=lambda failure: failure.outcome_known)
    items: list[Item] = []
    failures: list[ItemFailure] = []
    for index, answer in enumerate(answers):
        if isinstance(answer, Failed):
            failures.append(ItemFailure(index, answer.code, answer.message))
        else:
            items.extend(answer)
    return Done({MAIN: items}, failures)


def as_object(value: Any) -> JsonObject:
    """A value as an item holds it."""
    return cast("JsonObject", value) if isinstance(value, dict) else {"data": value}

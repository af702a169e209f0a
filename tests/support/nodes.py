"""Node types for tests of the engine: they fail, dawdle, and touch a counter, not the world."""

import asyncio
from collections import Counter
from typing import Any, ClassVar

from pydantic import Field

from engine_service.catalogue import Catalogue
from engine_service.nodes import NODES
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeInput,
    NodeParameters,
    NodeType,
    Outcome,
    PureNode,
    Services,
)
from engine_service.triggers import TRIGGERS
from shared.workflow import JsonObject


class World:
    """What the test nodes touch: which keys were used how often, and who is held back."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, *, held: bool = False) -> "World":
        """Begin anew; `held` lets no effect end before `gate` is set."""
        self.effects: Counter[str] = Counter()
        self.stopped: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.reached = asyncio.Event()
        if not held:
            self.gate.set()
        return self


WORLD = World()


class EffectParameters(NodeParameters):
    """How the effect goes."""

    fail_times: int = Field(default=0, description="Fails so often before it works")
    code: str = Field(default="flaky", description="With this code")
    retry_after: float | None = Field(default=None, description="And asks for this pause")
    value: Any = Field(default=None, description="What it gives")


class _Effect(ActionNode[EffectParameters]):
    Parameters = EffectParameters
    title = "Effect"
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)

    async def run(self, given: NodeInput[EffectParameters], services: Services) -> Outcome:
        parameters = given.parameters_for(0)
        WORLD.effects[services.idempotency_key] += 1
        WORLD.reached.set()
        await services.log("info", "reached")
        await services.emit({"at": services.idempotency_key})
        try:
            await WORLD.gate.wait()
        except asyncio.CancelledError:
            WORLD.stopped[services.idempotency_key] += 1
            raise
        if WORLD.effects[services.idempotency_key] <= parameters.fail_times:
            return Failed(
                parameters.code, "not yet", retryable=True, retry_after=parameters.retry_after
            )
        return Done({MAIN: [{"json": {**item["json"], "done": True}} for item in given.items]})

    def plan(self, parameters: EffectParameters) -> str:
        return "count"

    def sample(self, given: NodeInput[EffectParameters]) -> Done:
        return Done({MAIN: given.items})


class Keyed(_Effect):
    """An effect with an idempotency key."""

    type = "test.keyed"
    effect = Effect.KEYED


class Unsafe(_Effect):
    """An effect that must not be repeated."""

    type = "test.unsafe"
    effect = Effect.UNSAFE


class Read(_Effect):
    """An effect that changes nothing."""

    type = "test.read"
    effect = Effect.READ


class PickyParameters(NodeParameters):
    """Which items it refuses."""

    value: int = Field(description="Odd ones fail")


class Picky(PureNode[PickyParameters]):
    """Fails odd items."""

    Parameters = PickyParameters
    type = "test.picky"
    title = "Picky"
    examples: ClassVar[tuple[JsonObject, ...]] = ({"value": 1},)

    def run(self, given: NodeInput[PickyParameters]) -> Outcome:
        good = [
            {"json": {"value": given.parameters_for(index).value}, "paired_item": index}
            for index in range(len(given.items))
            if given.parameters_for(index).value % 2 == 0
        ]
        bad = [
            ItemFailure(index, "odd", f"{given.parameters_for(index).value} is odd")
            for index in range(len(given.items))
            if given.parameters_for(index).value % 2
        ]
        return Done({MAIN: good}, bad)


class GiveParameters(NodeParameters):
    """What it gives."""

    what: str = Field(description="nothing, odd, large, huge, nul or error")


class Give(PureNode[GiveParameters]):
    """Gives strange things."""

    Parameters = GiveParameters
    type = "test.give"
    title = "Give"
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = ({"what": "nothing"},)

    def run(self, given: NodeInput[GiveParameters]) -> Outcome:
        match given.parameters_for(0).what:
            case "odd":
                return Done({MAIN: [{"json": {"x": object()}}]})
            case "large":
                return Done({MAIN: [{"json": {"x": "y" * 20_000_000}}]})
            case "huge":
                return Done({MAIN: [{"json": {"x": 2**70}}]})
            case "nul":
                return Done({MAIN: [{"json": {"x": "a\0b"}}]})
            case "error":
                raise RuntimeError("a mistake inside the node")
            case _:
                return Done({MAIN: []})


TEST_NODES: tuple[type[NodeType[Any]], ...] = (Keyed, Unsafe, Read, Picky, Give)


def catalogue() -> Catalogue:
    """The real catalogue with the test nodes."""
    return Catalogue([*TRIGGERS, *NODES, *TEST_NODES])

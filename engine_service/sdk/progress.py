"""How far an action of several steps has come, as nodes see it. activation.py has the real one."""

from collections.abc import Sequence
from typing import Protocol

from shared.workflow import JsonObject


class Progress(Protocol):
    """What an action of several steps has written down of them, for the attempt after a crash."""

    async def recall(self) -> Sequence[JsonObject]:
        """The steps that earlier attempts, and this one, wrote down."""
        ...

    async def note(self, step: JsonObject) -> None:
        """Write a step down; it will not be lost when this returns."""
        ...


class InMind:
    """Progress that is kept nowhere, for where nothing can crash."""

    def __init__(self) -> None:
        self.steps: list[JsonObject] = []

    async def recall(self) -> Sequence[JsonObject]:
        return list(self.steps)

    async def note(self, step: JsonObject) -> None:
        self.steps.append(step)


class PartOf:
    """The progress of one that belongs to another, such as an agent that is another one's tool."""

    def __init__(self, whole: Progress, part: str) -> None:
        self._whole = whole
        self._part = part

    async def recall(self) -> Sequence[JsonObject]:
        steps = await self._whole.recall()
        return [step["step"] for step in steps if step.get("part") == self._part]

    async def note(self, step: JsonObject) -> None:
        await self._whole.note({"part": self._part, "step": step})

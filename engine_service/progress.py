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

"""What the vendors' fakes share: routes, tokens, and a spell of being busy or away.

A route is a method and a path with `{name}` for its steps; its handler gets what was asked and
those names. What no route knows is answered as the vendor answers it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.http_server import Answer, Seen, Server, serve

Handle = Callable[..., Answer]
_STEP = re.compile(r"\{(\w+)\}")


@dataclass
class FakeVendor(ABC):
    """A vendor's API on loopback.

    Attributes:
        place: The origin that it stands for, such as `https://slack.com`.
        spells: Answers that come before anything else, one a request: busy, away, broken.
    """

    place: str
    server: Server = field(default_factory=lambda: Server(0, "http"))
    spells: list[Answer] = field(default_factory=list[Answer])

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    @abstractmethod
    def routes(self) -> Mapping[str, Handle]:
        """What it does, by `METHOD /path/{step}`."""

    @abstractmethod
    def refuse(self, seen: Seen) -> Answer | None:
        """How it answers whoever does not prove who asks, or asks in the wrong way."""

    def unknown(self, seen: Seen) -> Answer:
        """How it answers what it does not know."""
        return Answer.of_json({"message": f"no route {seen.method} {seen.path}"}, 404)

    def answer(self, seen: Seen) -> Answer:
        if self.spells:
            return self.spells.pop(0)
        if (refusal := self.refuse(seen)) is not None:
            return refusal
        for route, handle in self.routes().items():
            method, path = route.split(" ")
            pattern = _STEP.sub(r"(?P<\1>[^/]+)", path.replace(".", r"\."))
            found = re.fullmatch(pattern, seen.path)
            if found and method == seen.method:
                steps = {name: unquote(step) for name, step in found.groupdict().items()}
                return handle(seen, **steps)
        return self.unknown(seen)


@asynccontextmanager
async def running(*vendors: Any) -> AsyncGenerator[None]:
    """Serve vendors for a while."""
    if not vendors:
        yield
        return
    first, *others = vendors
    async with serve(first.answer) as server:
        first.server = server
        async with running(*others):
            yield

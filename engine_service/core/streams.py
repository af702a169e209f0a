"""PURE. What flows into a circle, or into what is behind one: several arrivals, one after another.

A unit (a circle, or a node or loop behind one) has a stream for each place that leads into one of
its inputs. The first arrivals of all its streams together begin its first execution, the second
ones its second, and so on; a stream that has ended brings nothing more. It executes one after
another, so what it gives is in order, too.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from engine_service.core.events import Iteration

A = TypeVar("A")


@dataclass(slots=True)
class Stream(Generic[A]):
    """What comes from one unit into one input, along one or several edges.

    An element is what came along all of them in one execution of that unit; empty ones do not
    count.
    """

    waiting: dict[Any, list[list[A]]]
    open: set[Any] = field(default_factory=set[Any])
    elements: list[list[A]] = field(default_factory=list[list[A]])

    def put(self, edge: Any, arrivals: list[A]) -> None:
        """What came along an edge in the next execution of where it comes from; maybe nothing."""
        self.waiting[edge].append(arrivals)
        while all(self.waiting.values()):
            together = [one for queue in self.waiting.values() for one in queue.pop(0)]
            if together:
                self.elements.append(together)


def streams_of(edges: Sequence[Any], inputs: Sequence[Hashable]) -> list[Stream[Any]]:
    """A stream for each input that edges lead into, told apart by where they come from, too."""
    streams: dict[Hashable, Stream[Any]] = {}
    for edge, name in zip(edges, inputs, strict=True):
        stream = streams.setdefault(name, Stream({}))
        stream.waiting[edge] = []
        stream.open.add(edge)
    return list(streams.values())


@dataclass(slots=True)
class Stage(Generic[A]):
    """A unit within one iteration of the loops around it.

    Attributes:
        number: How many executions it has begun.
        busy: One is under way.
        closed: It will execute no more.
    """

    unit: str
    base: Iteration
    streams: list[Stream[A]]
    number: int = 0
    busy: bool = False
    closed: bool = False

    def put(self, edge: Any, arrivals: list[A], *, last: bool) -> None:
        """Something came along an edge; `last` if nothing more will."""
        stream = next(one for one in self.streams if edge in one.waiting)
        stream.put(edge, arrivals)
        if last:
            stream.open.discard(edge)

    def close(self, edge: Any) -> None:
        """Nothing more will come along an edge."""
        for stream in self.streams:
            stream.open.discard(edge)

    def next(self) -> list[A] | None:
        """What the next execution begins with; nothing if it closes; None if nobody knows yet."""
        if self.busy or self.closed:
            return None
        number = self.number
        if any(stream.open and len(stream.elements) <= number for stream in self.streams):
            return None
        gathered: list[A] = []
        for stream in self.streams:
            if len(stream.elements) > number:
                gathered += stream.elements[number]
                stream.elements[number] = []
        if gathered:
            self.number, self.busy = number + 1, True
        else:
            self.closed = True
        return gathered

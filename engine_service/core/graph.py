"""The shape of a definition as a directed graph: what is reachable, upstream, or in a circle.

Nodes are numbered by their place in the definition; everything here takes linear time, because
definitions come from anybody.
"""

from collections import deque
from collections.abc import Iterable, Sequence


class Graph:
    """A directed graph over the numbers below `size`."""

    def __init__(self, size: int, edges: Iterable[tuple[int, int]]) -> None:
        self._after: list[list[int]] = [[] for _ in range(size)]
        self._before: list[list[int]] = [[] for _ in range(size)]
        for source, target in edges:
            self._after[source].append(target)
            self._before[target].append(source)

    def reachable_from(self, starts: Iterable[int], without: int = -1) -> set[int]:
        """The starts and everything behind them, not going through one node."""
        seen = set(starts) - {without}
        waiting = list(seen)
        while waiting:
            for after in self._after[waiting.pop()]:
                if after not in seen and after != without:
                    seen.add(after)
                    waiting.append(after)
        return seen

    def components(self) -> list[list[int]]:
        """The strongly connected components, each before those it leads to (Kosaraju)."""
        component_of = [-1] * len(self._after)
        components: list[list[int]] = []
        for start in reversed(self._postorder()):
            if component_of[start] >= 0:
                continue
            component_of[start] = len(components)
            members = [start]
            for member in members:  # grows while it is walked
                for before in self._before[member]:
                    if component_of[before] < 0:
                        component_of[before] = len(components)
                        members.append(before)
            components.append(members)
        return components

    def _postorder(self) -> list[int]:
        """Every node, each behind those that were found from it."""
        order: list[int] = []
        seen = [False] * len(self._after)
        for root in range(len(self._after)):
            if seen[root]:
                continue
            seen[root] = True
            path = [(root, iter(self._after[root]))]
            while path:
                node, rest = path[-1]
                following = next((after for after in rest if not seen[after]), None)
                if following is None:
                    order.append(node)
                    path.pop()
                else:
                    seen[following] = True
                    path.append((following, iter(self._after[following])))
        return order

    def ancestors(self) -> list[int]:
        """For each node the set of nodes from which it can be reached, as bits of an integer.

        A node is its own ancestor only when it lies in a circle.
        """
        masks = [0] * len(self._after)
        for members in self.components():
            mask = 0
            for member in members:
                for before in self._before[member]:
                    mask |= masks[before] | 1 << before
            for member in members:
                masks[member] = mask
        return masks

    def circles(self) -> list[list[int]]:
        """One shortest circle, in its order, for each component that holds any."""
        return [
            circle
            for members in self.components()
            if (circle := self._circle(min(members), set(members)))
        ]

    def _circle(self, start: int, within: set[int]) -> list[int]:
        came_from: dict[int, int] = {}
        waiting = deque([start])
        while waiting:
            node = waiting.popleft()
            for after in self._after[node]:
                if after == start:
                    return _path(came_from, start, node)
                if after in within and after not in came_from:
                    came_from[after] = node
                    waiting.append(after)
        return []


def _path(came_from: dict[int, int], start: int, end: int) -> list[int]:
    path: Sequence[int] = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]

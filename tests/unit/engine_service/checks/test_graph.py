"""The graph functions against the plainest possible definitions of what they mean."""

from hypothesis import given
from hypothesis import strategies as st

from engine_service.core.graph import Graph

Edges = list[tuple[int, int]]
SIZE = 9
edge_lists = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=20)


def closure(edges: Edges) -> set[tuple[int, int]]:
    """Every (a, b) such that at least one edge leads from a to b, the slow and obvious way."""
    reach = set(edges)
    while True:
        more = {(a, d) for a, b in reach for c, d in reach if b == c} - reach
        if not more:
            return reach
        reach |= more


@given(edge_lists)
def test_ancestors_are_those_from_which_a_node_can_be_reached(edges: Edges) -> None:
    reach = closure(edges)
    masks = Graph(SIZE, edges).ancestors()
    assert {(a, b) for b in range(SIZE) for a in range(SIZE) if masks[b] >> a & 1} == reach


@given(edge_lists)
def test_components_are_classes_of_mutual_reach_in_topological_order(edges: Edges) -> None:
    reach = closure(edges)
    components = Graph(SIZE, edges).components()
    assert sorted(node for members in components for node in members) == list(range(SIZE))
    place = {node: index for index, members in enumerate(components) for node in members}
    for a in range(SIZE):
        for b in range(SIZE):
            if a != b:
                assert (place[a] == place[b]) == ((a, b) in reach and (b, a) in reach)
    assert all(place[a] <= place[b] for a, b in edges)


@given(edge_lists)
def test_every_circle_found_is_one_and_every_component_with_one_is_found(edges: Edges) -> None:
    circles = Graph(SIZE, edges).circles()
    for circle in circles:
        assert all(step in edges for step in zip(circle, [*circle[1:], circle[0]], strict=True))
    in_circles = {a for a, b in closure(edges) if a == b}
    found = {node for node in in_circles if any(node in circle for circle in circles)}
    assert bool(found) == bool(in_circles)


@given(edge_lists, st.sets(st.integers(0, SIZE - 1)))
def test_reachable_are_the_starts_and_what_follows_them(edges: Edges, starts: set[int]) -> None:
    reach = closure(edges)
    expected = starts | {b for a, b in reach if a in starts}
    assert Graph(SIZE, edges).reachable_from(starts) == expected


def test_deep_graphs_need_no_deep_stack() -> None:
    size = 5_000
    chain = Graph(size, [(index, index + 1) for index in range(size - 1)])
    assert chain.ancestors()[-1].bit_count() == size - 1
    assert chain.circles() == []

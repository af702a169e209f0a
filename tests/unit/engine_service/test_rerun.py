"""What a run from a node on keeps: by example, and that what is kept is enough and no more."""

import random

from hypothesis import given
from hypothesis import strategies as st

from engine_service.core.decide import Complete
from engine_service.core.events import AnyFact, Key
from engine_service.core.flow import Flow
from engine_service.core.rerun import Plan, downstream, plan
from tests.support.flows import Player, flow, flow_of, items, workflow

LOOPED = (
    "start > before; before > loop; loop:loop > a; a > b; b > loop; loop:done > after; start > side"
)


def played(of: Flow, journal: dict[Key, list[AnyFact]] | None = None, seed: int = 0) -> Player:
    player = Player(of, items(1, 2, 3), journal=journal)
    assert isinstance(player.play(random.Random(seed)), Complete)
    return player


def facts(player: Player, keys: object) -> dict[Key, list[AnyFact]]:
    kept: dict[Key, list[AnyFact]] = {}
    for fact in player.facts:
        if fact.key in set(keys):  # pyright: ignore[reportArgumentType] (keys)
            kept.setdefault(fact.key, []).append(fact)
    return kept


def test_what_does_not_lie_behind_the_node_is_kept() -> None:
    of = flow("start > a; start > side; a > b; b > c; side > end; c > end")
    old = played(of)
    kept = plan(of, of, old.ran, "b").kept
    assert set(kept) == {("start", ()), ("a", ()), ("side", ())}
    again = played(of, facts(old, kept))
    assert set(again.ran) == {("b", ()), ("c", ()), ("end", ())}


def test_in_a_loop_the_batches_stay_and_the_body_runs_again() -> None:
    of = flow(LOOPED, loops=["loop"])
    old = played(of)
    kept = plan(of, of, old.ran, "b").kept
    again = played(of, facts(old, kept))
    assert set(again.ran) == {("b", (0,)), ("b", (1,)), ("b", (2,)), ("after", ())}


def test_iterations_before_the_one_that_is_named_are_kept() -> None:
    of = flow(LOOPED, loops=["loop"])
    old = played(of)
    again = played(of, facts(old, plan(of, of, old.ran, "a", (1,)).kept))
    assert set(again.ran) == {
        ("a", (1,)), ("a", (2,)), ("b", (1,)), ("b", (2,)), ("after", ()),
    }  # fmt: skip


def test_a_loop_itself_runs_again_with_its_body() -> None:
    of = flow(LOOPED, loops=["loop"])
    assert downstream(of, ["loop"]) == {"loop", "a", "b", "after"}


def test_what_has_changed_before_the_node_is_refused() -> None:
    wires = "start > a; a > b; b > c; start > side; side > more"
    old = flow_of(workflow(wires))
    new = flow_of(workflow(wires, a={"parameters": {"x": 1}}))
    assert plan(old, new, [], "c") == Plan((), ["a"])
    assert plan(old, new, [("start", ())], "a") == Plan([("start", ())])


def test_what_has_changed_beside_it_runs_again() -> None:
    wires = "start > a; a > b; start > side; side > more"
    old = flow_of(workflow(wires))
    new = flow_of(workflow(wires, side={"parameters": {"x": 1}}))
    kept = plan(old, new, played(old).ran, "b").kept
    assert set(kept) == {("start", ()), ("a", ())}


@given(
    st.integers(0, 10_000), st.sampled_from(["start", "before", "loop", "a", "b", "after", "side"])
)
def test_a_run_from_a_node_on_comes_to_the_same_and_repeats_only_what_is_behind(
    seed: int, node_id: str
) -> None:
    of = flow(LOOPED, loops=["loop"])
    old = played(of, seed=seed)
    kept = plan(of, of, old.ran, node_id).kept
    again = played(of, facts(old, kept), seed=seed + 1)
    assert {key[0] for key in again.ran} == downstream(of, [node_id])
    ends = {key: one.finished for key, one in again.state.executions.items()}
    assert {k: f.outputs for k, f in ends.items() if f} == {
        k: one.finished.outputs for k, one in old.state.executions.items() if one.finished
    }

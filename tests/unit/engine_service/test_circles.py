"""What runs when in circles of connections, and behind them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from engine_service.core.decide import Complete, Fail
from engine_service.core.events import AnyFact, Key, NodeFinished
from engine_service.core.state import Execution
from tests.support.flows import Behaviour, Player, finished, flow, items, values


def takes(port: str) -> Behaviour:
    """A node that gives everything out of one port."""
    return lambda execution: finished(execution, **{port: execution.inputs()["main"]})


def numbers(execution: Execution) -> list[int]:
    return [one for one in values(execution.inputs()["main"]) if isinstance(one, int)]


def back_until(turns: int) -> Behaviour:
    """Leads back so many times, then out."""

    def decides(execution: Execution) -> NodeFinished:
        port = "again" if execution.iteration[-1] < turns else "out"
        return finished(execution, **{port: execution.inputs()["main"]})

    return decides


def counted_down(execution: Execution) -> NodeFinished:
    """Leads back what is left after taking one from each; what is down to nothing leaves."""
    left = [one - 1 for one in numbers(execution)]
    return finished(
        execution,
        again=items(*(one for one in left if one > 0)),
        out=items(*(one for one in left if one <= 0)),
    )


RETRY = "start > a; a > check; check:again > a; check:out > end; a > leaf"


class TestCircles:
    def test_it_is_gone_round_until_nothing_leads_back(self) -> None:
        player = Player(flow(RETRY), items(1), {"check": back_until(2)})
        assert isinstance(player.play(), Complete)
        assert [key for key in player.ran if key[0] in ("a", "check")] == [
            ("a", (0,)), ("check", (0,)), ("a", (1,)),
            ("check", (1,)), ("a", (2,)), ("check", (2,)),
        ]  # fmt: skip
        assert [key for key in player.ran if key[0] == "end"] == [("end", (0,))]
        assert [key for key in player.ran if key[0] == "leaf"] == [
            ("leaf", (0,)), ("leaf", (1,)), ("leaf", (2,)),
        ]  # fmt: skip

    def test_items_leave_when_they_are_through(self) -> None:
        player = Player(flow(RETRY), items(1, 3, 2, 1), {"check": counted_down})
        player.play()
        given = [values(one.inputs()["main"]) for one in player.state.of_step["end"]]
        assert given == [[0, 0], [0], [0]]
        assert [values(one.inputs()["main"]) for one in player.state.of_step["a"]] == [
            [1, 3, 2, 1], [2, 1], [1],
        ]  # fmt: skip

    def test_a_node_may_lead_back_to_itself(self) -> None:
        of = flow("start > a; a:again > a; a:out > end")
        player = Player(of, items(2), {"a": counted_down})
        player.play()
        assert player.ran == [("start", ()), ("a", (0,)), ("a", (1,)), ("end", (0,))]

    def test_a_circle_that_is_not_taken_is_skipped_with_what_is_behind_it(self) -> None:
        of = flow("start > if; if:yes > a; if:no > b; a > check; check:again > a; check:out > end")
        player = Player(of, items(1), {"if": takes("no")})
        assert isinstance(player.play(), Complete)
        assert set(player.state.skipped) == {("a", (0,)), ("check", (0,)), ("end", (0,))}

    def test_one_that_never_ends_fails(self) -> None:
        player = Player(flow(RETRY), items(1), {"check": back_until(10**9)})
        ended = player.play()
        assert isinstance(ended, Fail)
        assert (ended.code, ended.node_id) == ("too_many_passes", "a")
        assert len(player.state.of_step["a"]) == 1_000

    def test_two_streams_meet_arrival_by_arrival(self) -> None:
        """As n8n's merges do: the first of each, then the second of each."""
        of = flow(
            "start > a; a:again > a; a:again > join/one; start > b; b:again > b;"
            "b:again > join/two; b:out > late/one; start > late/two; join > end; late > end"
        )
        behaviours = {"a": back_until(2), "b": back_until(2)}
        for seed in range(20):
            player = Player(of, items(1), behaviours)
            player.play(random.Random(seed))
            joins = player.state.of_step["join"]
            assert [len(one.arrivals) for one in joins] == [2, 2]
            assert [len(one.arrivals) for one in player.state.of_step["late"]] == [2]
            assert [len(one.arrivals) for one in player.state.of_step["end"]] == [2, 1]

    def test_a_loop_in_a_circle_in_a_loop(self) -> None:
        of = flow(
            "start > outer; outer:loop > a; a > inner; inner:loop > work; work > inner;"
            "inner:done > check; check:again > a; check:out > b; b > outer; outer:done > end",
            loops=["outer", "inner"],
        )
        player = Player(of, items(1, 2), {"check": back_until(1)})
        assert player.play() == Complete(items(1, 2), None)
        assert [key[1] for key in player.ran if key[0] == "work"] == [
            (0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0),
        ]  # fmt: skip
        assert [key[1] for key in player.ran if key[0] == "b"] == [(0, 0), (1, 0)]

    def test_a_circle_behind_a_circle_and_a_loop_behind_both(self) -> None:
        of = flow(
            "start > a; a:again > a; a:out > b; b:again > b; b:out > loop; loop:loop > work;"
            "work > loop; loop:done > end",
            loops=["loop"],
        )
        player = Player(of, items(1), {"a": back_until(2), "b": back_until(1)})
        assert player.play() == Complete(items(1), None)
        assert [key[1] for key in player.ran if key[0] == "b"] == [(0, 0), (0, 1)]
        assert [key[1] for key in player.ran if key[0] == "work"] == [(0, 0)]

    @given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 10_000))
    def test_results_depend_on_nothing_but_the_data(self, given_: list[int], seed: int) -> None:
        of = flow(
            "start > a; a > check; check:again > wait; wait > a; check:out > end; a > leaf;"
            "start > b; b:again > b; b:out > join/one; leaf > join/two; join > last"
        )
        behaviours = {"check": counted_down, "b": counted_down}
        straight = Player(of, items(*given_), behaviours)
        straight.play()
        player = Player(of, items(*given_), behaviours)
        player.play(random.Random(seed))
        assert set(player.ran) == set(straight.ran)
        assert outputs_of(player) == outputs_of(straight)

    @given(st.integers(0, 10_000), st.data())
    def test_whoever_takes_over_stands_where_it_stood(self, seed: int, data: st.DataObject) -> None:
        of = flow(RETRY)
        first = Player(of, items(3, 1), {"check": counted_down})
        first.play(random.Random(seed))
        cut = data.draw(st.integers(0, len(first.facts)))
        journal: dict[Key, list[AnyFact]] = {}
        for fact in first.facts[:cut]:
            journal.setdefault(fact.key, []).append(fact)
        heir = Player(of, items(3, 1), {"check": counted_down}, journal)
        heir.play(random.Random(seed + 1))
        assert outputs_of(heir) == outputs_of(first)
        assert len(heir.ran) == len(first.ran) - cut


def outputs_of(player: Player) -> dict[Key, dict[str, object]]:
    return {
        key: dict(one.finished.outputs)
        for key, one in player.state.executions.items()
        if one.finished is not None
    }

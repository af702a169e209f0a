"""What runs when: merging, skipping, loops, waits, crashes; by example and by hypothesis."""

import random
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_service.core.decide import AskOutcome, Complete, Fail, GiveUp, Run, decide, next_due
from engine_service.core.events import (
    AnyFact,
    Key,
    NodeAnswered,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWaited,
)
from engine_service.core.state import Execution, Phase
from tests.support.flows import (
    START,
    Behaviour,
    Player,
    finished,
    flow,
    items,
    passes_on,
    values,
)


def ran_nodes(player: Player) -> list[str]:
    return [node_id for node_id, _ in player.ran]


def takes(port: str) -> Behaviour:
    """A node that gives everything out of one port."""

    def take(execution: Execution) -> NodeFinished:
        return finished(execution, **{port: execution.inputs()["main"]})

    return take


def nothing(execution: Execution) -> NodeFinished:
    return finished(execution, main=[])


def own_name(execution: Execution) -> NodeFinished:
    return finished(execution, main=items(execution.step.id))


def double(execution: Execution) -> NodeFinished:
    return finished(execution, main=items(*(2 * one for one in numbers(execution))))


def only_odd(execution: Execution) -> NodeFinished:
    return finished(execution, main=items(*(one for one in numbers(execution) if one % 2)))


def split(execution: Execution) -> NodeFinished:
    return finished(execution, main=items(*execution.inputs()["main"][0]["json"]["v"]))


def reports(execution: Execution) -> NodeFinished:
    return finished(execution, main=items("ok"), error=execution.inputs()["main"])


def broken(execution: Execution) -> NodeFailed:
    return NodeFailed("a", (), execution.attempt, START, "http_status", "500")


def numbers(execution: Execution) -> list[int]:
    return [one for one in values(execution.inputs()["main"]) if isinstance(one, int)]


class TestMerging:
    def test_a_chain_runs_in_order_and_gives_the_last_items(self) -> None:
        player = Player(flow("start > a; a > b"), items(1, 2))
        assert player.play() == Complete(items(1, 2), None)
        assert ran_nodes(player) == ["start", "a", "b"]

    def test_both_branches_of_a_diamond_are_open_at_once(self) -> None:
        player = Player(flow("start > a; start > b; a > end; b > end"), items(1))
        (begin,) = player.turn()
        player.carry_out(begin)
        commands = player.turn()
        assert [c.execution.step.id for c in commands if isinstance(c, Run)] == ["a", "b"]
        player.carry_out(commands[1])
        assert player.turn() == []  # the end does not fire early
        player.carry_out(commands[0])
        (last,) = player.turn()
        assert isinstance(last, Run)
        assert last.execution.step.id == "end"

    def test_a_merge_behind_an_if_does_not_wait_for_the_branch_not_taken(self) -> None:
        player = Player(
            flow("start > check; check:yes > a; check:no > b; a > end/one; b > end/two"),
            items(1),
            {"check": takes("yes")},
        )
        assert isinstance(player.play(), Complete)
        assert ran_nodes(player) == ["start", "check", "a", "end"]
        assert player.state.skipped == [("b", ())]
        end = player.state.executions["end", ()]
        assert {arrival.edge.input for arrival in end.arrivals} == {"one"}

    def test_skipping_goes_on_until_something_live_comes_in(self) -> None:
        player = Player(
            flow("start > check; check:no > a; a > b; b > c; check:yes > d; c > e; d > e"),
            items(1),
            {"check": takes("yes")},
        )
        player.play()
        assert player.state.skipped == [("a", ()), ("b", ()), ("c", ())]
        assert ran_nodes(player) == ["start", "check", "d", "e"]

    def test_an_empty_list_stops_a_branch(self) -> None:
        player = Player(flow("start > none; none > after"), items(1), {"none": nothing})
        assert player.play() == Complete([], None)
        assert player.state.skipped == [("after", ())]

    def test_items_come_together_in_the_order_of_the_edges(self) -> None:
        of = flow("start > a; start > b; start > c; c > end; a > end/main#1; b > end")
        behaviours = dict.fromkeys("abc", own_name)
        for seed in range(20):
            player = Player(of, items(0), behaviours)
            player.play(random.Random(seed))
            assert values(player.state.executions["end", ()].inputs()["main"]) == ["c", "b", "a"]

    def test_what_another_trigger_leads_to_is_not_waited_for(self) -> None:
        player = Player(flow("start > end; other > x; x > end"), items(1))
        player.play()
        assert ran_nodes(player) == ["start", "end"]

    def test_the_first_response_in_the_order_of_edges_is_the_output(self) -> None:
        def respond(execution: Execution) -> NodeFinished:
            node_id, iteration = execution.key
            body = {"body": node_id}
            return NodeFinished(node_id, iteration, 1, START, {}, response=body)

        of = flow("start > a; start > b; a > c")
        for seed in range(10):
            player = Player(of, items(1), {"b": respond, "c": respond})
            assert player.play(random.Random(seed)) == Complete("c", {"body": "c"})


class TestLoops:
    of = flow("start > each; each:loop > work; work > each; each:done > after", loops=["each"])

    def test_each_batch_goes_through_the_body_and_done_gives_what_came_back(self) -> None:
        player = Player(self.of, items(1, 2, 3), {"work": double})
        assert player.play() == Complete(items(2, 4, 6), None)
        assert [key for key in player.ran if key[0] == "work"] == [
            ("work", (0,)),
            ("work", (1,)),
            ("work", (2,)),
        ]

    def test_iterations_follow_one_another(self) -> None:
        player = Player(self.of, items(1, 2))
        for _ in range(2):
            (command,) = player.turn()
            player.carry_out(command)
        (first,) = player.turn()
        assert isinstance(first, Run)
        assert first.execution.key == ("work", (0,))
        assert player.turn() == []

    def test_a_batch_whose_body_gives_nothing_does_not_stop_the_loop(self) -> None:
        player = Player(self.of, items(1, 2, 3, 4), {"work": only_odd})
        assert player.play() == Complete(items(1, 3), None)

    def test_an_iteration_waits_for_side_branches_too(self) -> None:
        of = flow(
            "start > each; each:loop > work; work > each; work > log; each:done > after",
            loops=["each"],
        )
        player = Player(of, items(1, 2))
        player.play(random.Random(3))
        logs = player.ran.index(("log", (0,)))
        assert logs < player.ran.index(("work", (1,)))

    def test_loops_nest(self) -> None:
        of = flow(
            "start > outer; outer:loop > split; split > inner; inner:loop > work; work > inner;"
            "inner:done > join; join > outer; outer:done > after",
            loops=["outer", "inner"],
        )
        player = Player(of, items([1, 2], [3]), {"split": split})
        assert player.play() == Complete(items(1, 2, 3), None)
        assert [it for node_id, it in player.ran if node_id == "work"] == [(0, 0), (0, 1), (1, 0)]
        assert [it for node_id, it in player.ran if node_id == "join"] == [(0,), (1,)]

    def test_an_edge_into_the_body_brings_the_same_items_to_every_iteration(self) -> None:
        of = flow(
            "start > each; start > table; table > work/table; each:loop > work; work > each;"
            "each:done > after",
            loops=["each"],
        )
        seen: list[object] = []

        def work(execution: Execution) -> NodeFinished:
            inputs = execution.inputs()
            seen.append((values(inputs["main"]), values(inputs["table"])))
            return finished(execution, main=inputs["main"])

        for seed in range(10):
            seen.clear()
            player = Player(of, items(1, 2), {"work": work})
            assert isinstance(player.play(random.Random(seed)), Complete)
            assert seen == [([1], [1, 2]), ([2], [1, 2])]

    def test_an_edge_out_of_the_body_collects_all_iterations(self) -> None:
        of = flow(
            "start > each; each:loop > work; work > each; work:error > report;"
            "each:done > report; report > end",
            loops=["each"],
        )
        player = Player(of, items(1, 2), {"work": reports})
        assert player.play() == Complete(items(1, 2, "ok", "ok"), None)
        assert [it for node_id, it in player.ran if node_id == "report"] == [()]

    def test_a_skipped_loop_settles_what_leads_out_of_its_body(self) -> None:
        of = flow(
            "start > check; check:no > each; each:loop > work; work > each; work:error > end;"
            "each:done > end; check:yes > end",
            loops=["each"],
        )
        player = Player(of, items(1), {"check": takes("yes")})
        assert isinstance(player.play(), Complete)
        assert ran_nodes(player) == ["start", "check", "end"]

    def test_a_loop_may_hold_waits(self) -> None:
        def wait(execution: Execution) -> AnyFact:
            if execution.waited is None:
                node_id, iteration = execution.key
                later = START + timedelta(hours=1 + iteration[0])
                return NodeWaited(node_id, iteration, execution.attempt, START, later)
            return passes_on(execution)

        player = Player(self.of, items(1, 2), {"work": wait})
        assert player.play() == Complete(items(1, 2), None)
        assert player.now >= START + timedelta(hours=2)

    def test_a_loop_without_a_way_back_still_goes_through_all_batches(self) -> None:
        of = flow("start > each; each:loop > work; each:done > after", loops=["each"])
        player = Player(of, items(1, 2))
        player.play()
        assert [it for node_id, it in player.ran if node_id == "work"] == [(0,), (1,)]


class TestTime:
    def test_a_failed_attempt_is_repeated_when_its_pause_is_over(self) -> None:
        pause = START + timedelta(seconds=5)

        def shaky(execution: Execution) -> AnyFact:
            node_id, iteration = execution.key
            if execution.attempt < 3:
                return NodeFailed(node_id, iteration, execution.attempt, START, "x", "", pause)
            return passes_on(execution)

        player = Player(flow("start > a"), items(1), {"a": shaky})
        assert isinstance(player.play(), Complete)
        assert ran_nodes(player) == ["start", "a", "a", "a"]
        assert player.now >= pause

    def test_the_run_fails_with_the_node_that_failed_for_good(self) -> None:
        player = Player(flow("start > a; start > b"), items(1), {"a": broken})
        assert player.play() == Fail("http_status", "500", "a")

    def test_an_answer_lets_the_node_run_again(self) -> None:
        player = Player(flow("start > ask; ask > end"), items(1))
        player.carry_out(player.turn()[0])
        player.turn()
        player.tell(NodeWaited("ask", (), 1, START, None, answerable=True))
        assert player.turn() == []
        assert next_due(player.state) is None
        player.tell(NodeAnswered("ask", (), 1, START, {"decision": "approve"}))
        (command,) = player.turn()
        assert isinstance(command, Run)
        assert command.execution.attempt == 2
        assert command.execution.answer is not None
        assert command.execution.answer.answer == {"decision": "approve"}

    def test_a_run_that_takes_too_long_fails(self) -> None:
        player = Player(flow("start > a"), items(1))
        deadline = START + timedelta(seconds=1)
        assert isinstance(decide(player.state, START, deadline)[0], Run)
        assert next_due(player.state, deadline) == deadline
        (command,) = decide(player.state, deadline, deadline)
        assert isinstance(command, Fail)
        assert command.code == "run_timeout"


class TestCrashes:
    def test_an_attempt_that_nobody_saw_end_is_repeated_when_that_is_safe(self) -> None:
        journal: dict[Key, list[AnyFact]] = {("a", ()): [NodeStarted("a", (), 1, START)]}
        player = Player(flow("start > a"), items(1), journal=journal)
        player.carry_out(player.turn()[0])
        (command,) = player.turn()
        assert isinstance(command, Run)
        assert command.execution.attempt == 2

    def asked(self) -> Player:
        journal: dict[Key, list[AnyFact]] = {("a", ()): [NodeStarted("a", (), 1, START)]}
        player = Player(flow("start > a; a > b", ask=["a"]), items(1), journal=journal)
        player.carry_out(player.turn()[0])
        assert player.turn() == [AskOutcome(player.state.executions["a", ()])]
        player.tell(NodeWaited("a", (), 1, START, None, answerable=True, outcome_unknown=True))
        assert player.turn() == []
        return player

    def test_otherwise_a_person_is_asked_and_may_have_it_repeated(self) -> None:
        player = self.asked()
        player.tell(NodeAnswered("a", (), 1, START, {"decision": "approve"}))
        (command,) = player.turn()
        assert isinstance(command, Run)
        assert command.execution.attempt == 2
        assert command.execution.waited is None

    def test_or_may_give_it_up(self) -> None:
        player = self.asked()
        player.tell(NodeAnswered("a", (), 1, START, {"decision": "reject"}))
        (command,) = player.turn()
        assert isinstance(command, GiveUp)
        assert command.code == "outcome_unknown"


# --- any definition, any order


@st.composite
def plays(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    """A definition without circles, and how many items each node gives out of each of two ports."""
    size = draw(st.integers(2, 8))
    wires = [
        f"n{draw(st.integers(0, target - 1))}:p{draw(st.integers(0, 1))} > n{target}"
        for target in range(1, size)
    ]
    for _ in range(draw(st.integers(0, 8))):
        source = draw(st.integers(0, size - 2))
        target = draw(st.integers(source + 1, size - 1))
        port, place, index = (
            draw(st.integers(0, 1)),
            draw(st.sampled_from("ab")),
            draw(st.integers(0, 2)),
        )
        wires.append(f"n{source}:p{port} > n{target}/{place}#{index}")
    counts = {f"n{n}:p{p}": draw(st.integers(0, 2)) for n in range(size) for p in range(2)}
    return "; ".join(wires), counts


def gives(counts: dict[str, int]) -> Behaviour:
    def behave(execution: Execution) -> NodeFinished:
        got = {name: values(given) for name, given in execution.inputs().items()}
        node = execution.step.id
        outputs = {
            port: items(
                *(f"{node}{port}{number}{got}" for number in range(counts[f"{node}:{port}"]))
            )
            for port in ("p0", "p1")
        }
        return finished(execution, **outputs)

    return behave


def outcome(player: Player) -> dict[Key, dict[str, list[object]]]:
    return {
        key: {port: values(given) for port, given in one.finished.outputs.items()}
        for key, one in player.state.executions.items()
        if one.finished is not None
    }


@given(plays(), st.randoms(use_true_random=False))
def test_results_do_not_depend_on_who_finishes_first(
    play: tuple[str, dict[str, int]], chance: random.Random
) -> None:
    wires, counts = play
    of = flow(wires, trigger="n0")
    behaviours = {name: gives(counts) for name in of.steps}
    calm = Player(of, items("in"), behaviours)
    wild = Player(of, items("in"), behaviours)
    assert calm.play() == wild.play(chance)
    assert outcome(calm) == outcome(wild)


@given(plays(), st.randoms(use_true_random=False))
def test_a_node_runs_once_if_something_live_comes_in_and_is_skipped_if_not(
    play: tuple[str, dict[str, int]], chance: random.Random
) -> None:
    wires, counts = play
    of = flow(wires, trigger="n0")
    player = Player(of, items("in"), {name: gives(counts) for name in of.steps})
    player.play(chance)
    live = {"n0"}
    for step in of.ordered:
        if any(e.source.id in live and counts[f"{e.source.id}:{e.port}"] for e in step.sources):
            live.add(step.id)
    assert sorted(ran_nodes(player)) == sorted(live)
    assert sorted(node_id for node_id, _ in player.state.skipped) == sorted(of.steps.keys() - live)
    order = ran_nodes(player)
    for step in of.ordered:
        for edge in step.sources:
            if step.id in live and edge.source.id in live:
                assert order.index(edge.source.id) < order.index(step.id)


@given(plays(), st.randoms(use_true_random=False), st.data())
def test_a_run_taken_over_at_any_point_ends_as_if_nothing_had_happened(
    play: tuple[str, dict[str, int]], chance: random.Random, data: st.DataObject
) -> None:
    wires, counts = play
    of = flow(wires, trigger="n0")
    behaviours = {name: gives(counts) for name in of.steps}
    whole = Player(of, items("in"), behaviours)
    end = whole.play(chance)
    kept = data.draw(st.integers(0, len(whole.facts)))
    journal: dict[Key, list[AnyFact]] = {}
    for fact in whole.facts[:kept]:
        journal.setdefault(fact.key, []).append(fact)
    again = Player(of, items("in"), behaviours, journal)
    assert again.play(chance) == end
    assert outcome(again) == outcome(whole)
    assert len(again.ran) == len(whole.facts) - kept  # nothing is computed twice


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3), st.randoms())
def test_nested_loops_give_the_same_in_any_order(
    batches: list[list[int]], chance: random.Random
) -> None:
    of = flow(
        "start > outer; outer:loop > split; split > inner; split > aside; aside > outer;"
        "inner:loop > work; work > inner; work > side; inner:done > join; join > outer;"
        "outer:done > after",
        loops=["outer", "inner"],
    )
    calm = Player(of, items(*batches), {"split": split})
    wild = Player(of, items(*batches), {"split": split})
    assert calm.play() == wild.play(chance)
    assert outcome(calm) == outcome(wild)


def test_deciding_costs_what_changes_not_what_the_run_holds() -> None:
    """A tenfold chain takes about tenfold time; generous, since machines are noisy."""

    def seconds(length: int) -> float:
        of = flow("; ".join(f"n{n} > n{n + 1}" for n in range(length)))
        best = float("inf")
        for _ in range(3):
            begun = time.perf_counter()
            Player(of, items(1)).play()
            best = min(best, time.perf_counter() - begun)
        return best

    assert seconds(490) < 40 * seconds(49)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_is_decided_about(phase: Phase) -> None:
    player = Player(flow("start > a"), items(1))
    execution = player.state.executions["start", ()]
    execution.phase = phase
    assert isinstance(player.turn(), list)

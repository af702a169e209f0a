"""What must hold when the storm is over, whatever happened in it."""

from collections import Counter

from bench.chaos.storm import Field

_LEFT_BEHIND = {
    "rows in the line": "SELECT count(*) FROM engine.line",
    "slots": "SELECT count(*) FROM engine.slots",
    "open waits": "SELECT count(*) FROM engine.waits",
    "tasks": "SELECT count(*) FROM absurd.t_flowloom",
    "claims": "SELECT count(*) FROM absurd.r_flowloom",
}
_CALLED = "SELECT id, parent_run_id FROM engine.runs WHERE parent_run_id IS NOT NULL"
_UNENDED = """
SELECT id, status, coalesce(error->>'code', '') FROM engine.runs WHERE status <> 'completed'
"""
_DOUBLED = """
SELECT run_id, node_id, iteration FROM engine.journal WHERE kind = 'finished'
GROUP BY 1, 2, 3 HAVING count(*) > 1
"""
_FINISHED = "SELECT run_id, count(*) FROM engine.journal WHERE kind = 'finished' GROUP BY 1"
_HISTORIES = """
SELECT e.run_id, array_agg(e.sequence ORDER BY e.sequence),
  array_agg(json_array_length(e.events) ORDER BY e.sequence),
  (array_agg(e.events ORDER BY e.sequence DESC))[1]->-1->>'type', max(r.last_sequence)
FROM engine.run_events e JOIN engine.runs r ON r.id = e.run_id GROUP BY 1
"""


async def verdict(scene: Field) -> list[str]:
    """What is wrong, each in a sentence; nothing when all is well."""
    return [
        *await _calls(scene),
        *await _runs(scene),
        *await _journal(scene),
        *await _histories(scene),
        *_effects(scene),
        *await _left_behind(scene),
    ]


async def _calls(scene: Field) -> list[str]:
    """Note what was called among what began; who did not call once is wrong."""
    calls: Counter[str] = Counter()
    for run_id, caller in await scene.rows(_CALLED):
        calls[caller] += 1
        scene.begun[run_id] = scene.workloads[scene.begun[caller]].calls
    callers = [run_id for run_id, name in scene.begun.items() if scene.workloads[name].calls]
    return [f"{run_id} called {calls[run_id]} runs" for run_id in callers if calls[run_id] != 1]


async def _runs(scene: Field) -> list[str]:
    stored = {row[0] for row in await scene.rows("SELECT id FROM engine.runs")}
    wrong = [f"lost: {run_id}" for run_id in scene.begun.keys() - stored]
    wrong += [f"begun by nobody: {run_id}" for run_id in stored - scene.begun.keys()]
    for run_id, status, code in await scene.rows(_UNENDED):
        wrong.append(f"{run_id} ({scene.begun.get(run_id)}) is {status} {code}")
    return wrong


async def _journal(scene: Field) -> list[str]:
    wrong = [f"finished twice: {row}" for row in await scene.rows(_DOUBLED)]
    for run_id, count in await scene.rows(_FINISHED):
        expected = scene.workloads[scene.begun[run_id]].finished
        if count != expected:
            wrong.append(f"{run_id} ({scene.begun[run_id]}): {count} of {expected} nodes finished")
    return wrong


async def _histories(scene: Field) -> list[str]:
    wrong: list[str] = []
    for run_id, sequences, lengths, last, last_sequence in await scene.rows(_HISTORIES):
        expected: list[int] = []
        at = 0
        for length in lengths:
            at += length
            expected.append(at)
        if sequences != expected or at != last_sequence or last != "run.completed":
            wrong.append(f"{run_id}: its history has gaps or no end ({last})")
    return wrong


def _effects(scene: Field) -> list[str]:
    wanted = {
        f"{run_id}:{key}"
        for run_id, name in scene.begun.items()
        for key in scene.workloads[name].effects
    }
    seen = set(scene.effects.requests)
    wrong = [f"never happened: {key}" for key in wanted - seen]
    wrong += [f"should not have happened: {key}" for key in seen - wanted]
    if scene.effects.keyless:
        wrong.append(f"{scene.effects.keyless} requests without a key")
    return wrong


async def _left_behind(scene: Field) -> list[str]:
    counts: Counter[str] = Counter()
    for what, statement in _LEFT_BEHIND.items():
        ((count,),) = await scene.rows(statement)
        counts[what] = count
    return [f"{count} {what} are left behind" for what, count in counts.items() if count]

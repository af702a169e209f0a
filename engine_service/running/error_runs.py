"""The runs of error workflows: what a failed run leaves to the workflow that is to deal with it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from engine_service.core.decide import Fail
from engine_service.definitions.program import Program
from engine_service.encoding import encode
from engine_service.running.attempt import RunFacts
from engine_service.running.calls import MOST_DEEP, ON_ERROR, Calls
from engine_service.store.runs import NewRun, Origin
from shared.errors import AppError, Unavailable
from shared.ids import new_id
from shared.workflow import JsonObject


def handler_of(run: RunFacts, program: Program) -> str:
    """The error workflow of a run's workflow, by id or name; empty when nothing is to begin.

    Only live runs have one. What deals with an error, and whatever it calls, has none itself: or
    errors would beget errors without end.
    """
    if run.mode != "live" or run.error_of is not None or run.depth + 1 >= MOST_DEEP:
        return ""
    return program.workflow.settings.error_workflow


async def with_handler(
    calls: Calls, wanted: str, run: NewRun, remark: Callable[[str, str], None]
) -> list[NewRun]:
    """The run with the workflow that is to deal with the error; nothing if that is not there.

    Args:
        calls: Finds it.
        wanted: Its id or name.
        run: What `error_run` gave.
        remark: Is told why there is none: (level, message).

    Raises:
        Unavailable: The database is away.
    """
    try:
        handler, _ = await calls.find(run.tenant_id, wanted, ON_ERROR)
    except Unavailable:
        raise
    except AppError as error:
        remark("error", f"The error workflow cannot run: {error.message}")
        return []
    return [
        replace(
            run,
            workflow_id=handler.workflow_id,
            version=handler.version,
            trigger_node_id=handler.trigger_node_id,
        )
    ]


def error_run(run: RunFacts, program: Program, fail: Fail, now: datetime) -> NewRun:
    """The run of the error workflow, to begin with the failed run's end; not yet of which one."""
    return NewRun(
        id=new_id("run"),
        tenant_id=run.tenant_id,
        workflow_id="",
        version=0,
        mode=run.mode,
        trigger=ON_ERROR,
        trigger_node_id="",
        input=encode([{"json": described(run, program, fail, now)}]),
        created_at=now,
        idempotency_key=f"error:{run.id}",
        origin=Origin(depth=run.depth + 1, error_of=run.id),
    )


def described(run: RunFacts, program: Program, fail: Fail, now: datetime) -> JsonObject:
    """What happened, for the error workflow; `execution` says it in the words of n8n."""
    node = program.workflow.node(fail.node_id)
    at: JsonObject | None = None
    if node is not None:
        at = {"id": node.id, "name": node.name, "type": node.type}
    error = {"code": fail.code, "message": fail.message, "node": at}
    return {
        "run": {
            "id": run.id,
            "mode": run.mode,
            "trigger": run.trigger,
            "failed_at": now.isoformat(),
        },
        "workflow": {
            "id": run.workflow_id,
            "name": program.workflow.name,
            "version": run.version,
        },
        "error": error,
        "execution": {
            "id": run.id,
            "mode": run.trigger.removeprefix("trigger."),
            "error": {"message": fail.message, "name": fail.code, "node": at},
            "lastNodeExecuted": node.name if node is not None else None,
        },
    }

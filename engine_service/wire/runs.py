"""Runs and their events as the messages of the contract; `wire_workflows.py` has the rest."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from engine_service.store.run_rows import JournalRow, StoredEvent, StoredRun
from shared.pb.flowloom.common.v1 import document_pb2
from shared.pb.flowloom.engine.v1 import run_pb2
from shared.workflow import JsonObject


def to_run(stored: StoredRun, nodes: Iterable[run_pb2.NodeRun] = ()) -> run_pb2.Run:
    """A run."""
    return run_pb2.Run(
        id=stored.id,
        workflow_id=stored.workflow_id,
        version=stored.version,
        status=run_pb2.RunStatus.Value(f"RUN_STATUS_{stored.status.upper()}"),
        mode=run_pb2.RunMode.Value(f"RUN_MODE_{stored.mode.upper()}"),
        trigger=stored.trigger,
        input=_document(stored.input),
        output=_document(stored.output),
        error=run_pb2.RunError(**stored.error) if stored.error else None,
        nodes=nodes,
        create_time=_timestamp(stored.created_at),
        start_time=_timestamp(stored.started_at),
        end_time=_timestamp(stored.ended_at),
        last_sequence=stored.last_sequence,
        retry_of=stored.retry_of or "",
        parent_run_id=stored.parent_run_id or "",
        error_of=stored.error_of or "",
        rerun_from=stored.rerun_from or "",
        output_blob_id="" if stored.output is not None else stored.output_blob or "",
    )


def to_event(event: StoredEvent) -> run_pb2.RunEvent:
    """One event of a run's history."""
    return run_pb2.RunEvent(
        run_id=event.run_id,
        sequence=event.sequence,
        type=event.type,
        time=_timestamp(event.at),
        data=document_pb2.Document(json=orjson.dumps(event.data)),
    )


def to_node_runs(
    journal: Sequence[JournalRow], skipped: Iterable[StoredEvent], *, ended: bool
) -> list[run_pb2.NodeRun]:
    """What each execution of each node came to, in the order in which they began.

    Args:
        journal: The run's journal.
        skipped: Its events of executions that were skipped.
        ended: The run has ended, and what was still open in it has been stopped.
    """
    executions: dict[tuple[str, str], list[JournalRow]] = {}
    for row in journal:
        executions.setdefault((row.node_id, row.iteration), []).append(row)
    told = [_node_run(rows, ended=ended) for rows in executions.values()]
    told.extend(
        run_pb2.NodeRun(
            node_id=event.data["node_id"],
            iteration=event.data.get("iteration", ""),
            status=run_pb2.NODE_RUN_STATUS_SKIPPED,
            end_time=_timestamp(event.at),
        )
        for event in skipped
    )
    return told


_STATUSES = {
    "started": run_pb2.NODE_RUN_STATUS_RUNNING,
    "waiting": run_pb2.NODE_RUN_STATUS_WAITING,
    "finished": run_pb2.NODE_RUN_STATUS_COMPLETED,
    "failed": run_pb2.NODE_RUN_STATUS_FAILED,
}
_KINDS = tuple(_STATUSES)
_STOPPED = {"code": "stopped", "message": "The run ended before this node did."}


def _node_run(rows: Sequence[JournalRow], *, ended: bool) -> run_pb2.NodeRun:
    last = max(rows, key=lambda row: (row.attempt, _KINDS.index(row.kind)))
    detail = last.detail or {}
    retrying = last.kind == "failed" and detail.get("retry_at")
    status = run_pb2.NODE_RUN_STATUS_RUNNING if retrying else _STATUSES[last.kind]
    if ended and last.kind in ("started", "waiting"):
        status, detail = run_pb2.NODE_RUN_STATUS_FAILED, _STOPPED
    failures = sum(row.kind == "failed" for row in rows)
    return run_pb2.NodeRun(
        node_id=last.node_id,
        iteration=last.iteration,
        attempt=failures + (last.kind != "failed"),
        status=status,
        outputs=_document(last.outputs),
        outputs_blob_id="" if last.outputs is not None else last.outputs_blob or "",
        error=_error(last.node_id, detail) if detail.get("code") else None,
        start_time=_timestamp(min(row.started_at for row in rows)),
        end_time=_timestamp(last.at) if last.kind in ("finished", "failed") else None,
    )


def _error(node_id: str, detail: JsonObject) -> run_pb2.RunError:
    return run_pb2.RunError(code=detail["code"], message=detail["message"], node_id=node_id)


def resource(run: StoredRun) -> JsonObject:
    """A run as terminal events carry it: `RunResource`; documents are fragments of JSON."""
    return {
        "id": run.id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "status": run.status,
        "mode": run.mode,
        "trigger": run.trigger,
        "input": _fragment(run.input),
        "output": _fragment(run.output),
        "error": run.error,
        "nodes": [],
        "create_time": _text(run.created_at),
        "start_time": _text(run.started_at),
        "end_time": _text(run.ended_at),
        "last_sequence": run.last_sequence,
        "retry_of": run.retry_of or "",
        "parent_run_id": run.parent_run_id or "",
        "error_of": run.error_of or "",
        "rerun_from": run.rerun_from or "",
        "output_blob_id": run.output_blob or "",
    }


def _fragment(text: str | None) -> Any:
    return None if text is None else orjson.Fragment(text)


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _document(text: str | None) -> document_pb2.Document | None:
    return None if text is None else document_pb2.Document(json=text.encode())


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp

"""What is written and found as the messages of the contract; `wire.py` has the runs.

Workflows, versions, triggers, node types and diagnostics come in as they are stored or
found; protobuf goes out. The way back needs no translation, because a definition crosses the wire
as the JSON it is.
"""

import json
from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from engine_service.catalogue import Description, builtin
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity
from engine_service.definitions.hidden import hide_text
from engine_service.sdk.node import Effect
from engine_service.store.triggers import LiveTrigger, shape_of
from engine_service.store.versions import StoredVersion
from engine_service.store.workflows import StoredWorkflow
from shared.pb.flowloom.common.v1 import document_pb2
from shared.pb.flowloom.engine.v1 import node_type_pb2, trigger_pb2, workflow_pb2

_SEVERITIES = {
    Severity.ERROR: workflow_pb2.SEVERITY_ERROR,
    Severity.WARNING: workflow_pb2.SEVERITY_WARNING,
}
_EFFECTS = {
    Effect.PURE: node_type_pb2.NODE_EFFECT_PURE,
    Effect.READ: node_type_pb2.NODE_EFFECT_READ,
    Effect.KEYED: node_type_pb2.NODE_EFFECT_KEYED,
    Effect.UNSAFE: node_type_pb2.NODE_EFFECT_UNSAFE,
}


def document(value: object) -> document_pb2.Document:
    """A JSON value as a document."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return document_pb2.Document(json=text.encode())


def timestamp(moment: datetime) -> Timestamp:
    """A moment on the wire."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def to_workflow(stored: StoredWorkflow, definition: str = "") -> workflow_pb2.Workflow:
    """A workflow, with its latest definition unless it stands in a list; secrets stay here."""
    return workflow_pb2.Workflow(
        id=stored.id,
        name=stored.name,
        description=stored.description,
        definition=_definition(definition),
        latest_version=stored.latest_version,
        active_version=stored.active_version or 0,
        etag=stored.etag,
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
    )


def _definition(text: str) -> document_pb2.Document | None:
    return document_pb2.Document(json=hide_text(text, builtin()).encode()) if text else None


def to_version(stored: StoredVersion) -> workflow_pb2.Version:
    """A version, with its definition unless it stands in a list; secrets stay here."""
    return workflow_pb2.Version(
        workflow_id=stored.workflow_id,
        number=stored.number,
        definition=_definition(stored.definition),
        digest=stored.digest,
        created_by=stored.created_by,
        note=stored.note,
        create_time=timestamp(stored.created_at),
    )


def to_diagnostics(found: Iterable[Diagnostic]) -> list[workflow_pb2.Diagnostic]:
    """What is wrong with a definition."""
    return [
        workflow_pb2.Diagnostic(
            pointer=one.pointer,
            code=one.code,
            severity=_SEVERITIES[one.severity],
            message=one.message,
            suggestion=one.suggestion,
        )
        for one in found
    ]


def _path(live: LiveTrigger) -> str:
    """Where a webhook listens, with the names that its author gave to steps."""
    if live.path is None or live.path.startswith("mcp:"):
        return ""
    named = f"{live.tenant_id}/{live.parameters.get('path', '')}"
    # Before it may stand which of the gateway's doors leads there.
    path = live.path if live.path.startswith(live.tenant_id) else live.path.partition(":")[2]
    return named if shape_of(named) == path else path


def to_trigger(live: LiveTrigger, upcoming: Iterable[datetime] = ()) -> trigger_pb2.Trigger:
    """A live trigger; its secret stays here."""
    due_at = live.next_fire_at or live.next_poll_at
    return trigger_pb2.Trigger(
        id=live.id,
        workflow_id=live.workflow_id,
        version=live.version,
        node_id=live.node_id,
        type=live.type,
        parameters=document(live.parameters),
        path=_path(live),
        next_fire_time=timestamp(due_at) if due_at else None,
        upcoming_fire_times=map(timestamp, upcoming),
        poll_time=timestamp(live.polled_at) if live.polled_at else None,
        failure_count=live.poll_failures,
        failure_message=live.poll_error,
    )


def to_node_type(description: Description) -> node_type_pb2.NodeType:
    """A node type as people, editors and models see it."""
    return node_type_pb2.NodeType(
        type=description.type,
        version=description.version,
        family=description.family,
        title=description.title,
        description=description.description,
        documentation=description.documentation,
        parameters_schema=document(description.schema),
        inputs=description.inputs,
        outputs=description.outputs,
        examples=document(list(description.examples)),
        effect=_EFFECTS[description.effect],
        credential_types=description.credential_types,
        keywords=description.keywords,
        attachments=description.attachments,
        attaches_as=description.attaches_as,
    )

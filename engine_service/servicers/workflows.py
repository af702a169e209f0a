"""Workflows: kept, checked, and turned on and off.

A changed definition becomes a new version; activating pins one version and makes its triggers
live. Whatever a method does to the database is one transaction.
"""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, StringConstraints, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.catalogue import Catalogue
from engine_service.definitions import hidden
from engine_service.definitions.checks.diagnostic import Diagnostic
from engine_service.definitions.readiness import readiness, warnings
from engine_service.definitions.validate import in_order, is_valid, require_valid, validate_document
from engine_service.n8n import import_document
from engine_service.store import triggers, versions, workflows
from engine_service.store.versions import StoredVersion
from engine_service.store.workflows import StoredWorkflow
from engine_service.triggering.live_triggers import carried_over, live_triggers, refuse_taken
from engine_service.wire import workflows as wire
from engine_service.wire.imports import to_import_report
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, InvalidInput, Violation
from shared.identity import Principal, Role
from shared.ids import new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import (
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from shared.rpc import call
from shared.workflow import Workflow, digest, parse, violations_of

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps every text but this


class _Texts(BaseModel):
    """What people write about a workflow."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)] = "-"
    description: Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)] = ""
    note: Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)] = ""
    name_contains: Annotated[str, StringConstraints(max_length=200, pattern=_NO_NUL)] = ""


class WorkflowServicer(workflow_service_pb2_grpc.WorkflowServiceServicer):
    """flowloom.engine.v1.WorkflowService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, catalogue: Catalogue, clock: Clock) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock

    async def CreateWorkflow(
        self, request: workflow_service_pb2.CreateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.CreateWorkflowResponse:
        caller = call.caller(Role.EDITOR)
        definition = parse(request.definition.json or b"{}")
        _check_texts(description=request.description, name=request.name or definition.name)
        workflow = await self._create(
            definition,
            caller,
            name=request.name,
            description=request.description,
            keep=not request.validate_only,
        )
        return workflow_service_pb2.CreateWorkflowResponse(workflow=workflow)

    async def ImportWorkflow(
        self, request: workflow_service_pb2.ImportWorkflowRequest, context: Any
    ) -> workflow_service_pb2.ImportWorkflowResponse:
        caller = call.caller(Role.EDITOR)
        imported = import_document(_read(request.document.json))
        _check_texts(name=request.name or imported.workflow.name)
        workflow = await self._create(
            imported.workflow, caller, name=request.name, keep=not request.validate_only
        )
        return workflow_service_pb2.ImportWorkflowResponse(
            workflow=workflow, report=to_import_report(imported.report)
        )

    async def GetWorkflow(
        self, request: workflow_service_pb2.GetWorkflowRequest, context: Any
    ) -> workflow_service_pb2.GetWorkflowResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            version = await versions.get_version(connection, workflow.id, workflow.latest_version)
        return workflow_service_pb2.GetWorkflowResponse(
            workflow=wire.to_workflow(workflow, version.definition)
        )

    async def ListWorkflows(
        self, request: workflow_service_pb2.ListWorkflowsRequest, context: Any
    ) -> workflow_service_pb2.ListWorkflowsResponse:
        _check_texts(name_contains=request.name_contains)
        page = read_page(request.page_size, request.page_token, request.name_contains)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            rows = await workflows.list_workflows(connection, page, request.name_contains)
        kept, token = page.cut(rows, lambda workflow: workflow.id)
        return workflow_service_pb2.ListWorkflowsResponse(
            workflows=[wire.to_workflow(workflow) for workflow in kept], next_page_token=token
        )

    async def UpdateWorkflow(
        self, request: workflow_service_pb2.UpdateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.UpdateWorkflowResponse:
        caller = call.caller(Role.EDITOR)
        changes = {
            field: getattr(request, field)
            for field in ("name", "description")
            if request.HasField(field)
        }
        _check_texts(note=request.note, **changes)
        definition = parse(request.definition.json) if request.HasField("definition") else None
        async with self._database.transaction(caller.tenant_id) as connection:
            workflow = await workflows.lock_workflow(connection, request.workflow_id)
            _check_etag(workflow, request.etag)
            if definition is not None:
                number = workflow.latest_version
                before = await versions.get_version(connection, workflow.id, number)
                hidden.restore(definition, orjson.loads(before.definition), self._catalogue)
                version = self._version(workflow, definition, caller, request.note)
                changes["latest_version"] = await versions.append_version(connection, version)
            workflow = workflow.changed(self._clock.now(), **changes)
            await workflows.save_workflow(connection, workflow)
            latest = await versions.get_version(connection, workflow.id, workflow.latest_version)
            if request.validate_only:
                await connection.rollback()
        return workflow_service_pb2.UpdateWorkflowResponse(
            workflow=wire.to_workflow(workflow, latest.definition)
        )

    async def DeleteWorkflow(
        self, request: workflow_service_pb2.DeleteWorkflowRequest, context: Any
    ) -> workflow_service_pb2.DeleteWorkflowResponse:
        caller = call.caller(Role.EDITOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            workflow = await workflows.lock_workflow(connection, request.workflow_id)
            _check_etag(workflow, request.etag)
            await triggers.delete_triggers(connection, workflow.id)
            await workflows.mark_deleted(connection, workflow.id, self._clock.now())
        return workflow_service_pb2.DeleteWorkflowResponse()

    async def ValidateWorkflow(
        self, request: workflow_service_pb2.ValidateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.ValidateWorkflowResponse:
        call.caller()
        diagnostics = validate_document(request.definition.json, self._catalogue)
        lacking = await self._lacking(call.caller(), request.definition.json)
        diagnostics = in_order([*diagnostics, *lacking])
        return workflow_service_pb2.ValidateWorkflowResponse(
            diagnostics=wire.to_diagnostics(diagnostics), valid=is_valid(diagnostics)
        )

    async def CheckReadiness(
        self, request: workflow_service_pb2.CheckReadinessRequest, context: Any
    ) -> workflow_service_pb2.CheckReadinessResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            number = request.version or workflow.latest_version
            version = await versions.get_version(connection, workflow.id, number)
            found = await readiness(connection, parse(version.definition), self._catalogue)
        return workflow_service_pb2.CheckReadinessResponse(
            ready=not found.missing,
            version=number,
            credentials=wire.to_diagnostics(found.credentials),
            parameters=wire.to_diagnostics(found.parameters),
            variables=wire.to_diagnostics(found.variables),
        )

    async def ActivateWorkflow(
        self, request: workflow_service_pb2.ActivateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.ActivateWorkflowResponse:
        caller = call.caller(Role.OPERATOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            workflow = await workflows.lock_workflow(connection, request.workflow_id)
            number = request.version or workflow.latest_version
            version = await versions.get_version(connection, workflow.id, number)
            if workflow.active_version != number:
                definition = parse(version.definition)
                found = await readiness(connection, definition, self._catalogue)
                require_valid(found.missing, "activated")
                await self._go_live(connection, version, definition)
                workflow = workflow.changed(self._clock.now(), active_version=number)
                await workflows.save_workflow(connection, workflow)
            latest = await versions.get_version(connection, workflow.id, workflow.latest_version)
        return workflow_service_pb2.ActivateWorkflowResponse(
            workflow=wire.to_workflow(workflow, latest.definition)
        )

    async def DeactivateWorkflow(
        self, request: workflow_service_pb2.DeactivateWorkflowRequest, context: Any
    ) -> workflow_service_pb2.DeactivateWorkflowResponse:
        caller = call.caller(Role.OPERATOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            workflow = await workflows.lock_workflow(connection, request.workflow_id)
            await triggers.delete_triggers(connection, workflow.id)
            workflow = workflow.changed(self._clock.now(), active_version=None)
            await workflows.save_workflow(connection, workflow)
            version = await versions.get_version(connection, workflow.id, workflow.latest_version)
        return workflow_service_pb2.DeactivateWorkflowResponse(
            workflow=wire.to_workflow(workflow, version.definition)
        )

    async def _create(
        self,
        definition: Workflow,
        caller: Principal,
        *,
        name: str,
        description: str = "",
        keep: bool,
    ) -> workflow_pb2.Workflow:
        """Store a workflow with its first version, or only see that it could be."""
        hidden.restore(definition, None, self._catalogue)
        now = self._clock.now()
        workflow = StoredWorkflow(
            id=new_id("wf"),
            tenant_id=caller.tenant_id,
            name=name or definition.name,
            description=description or definition.description,
            latest_version=1,
            active_version=None,
            etag=workflows.new_etag(),
            created_at=now,
            updated_at=now,
        )
        version = self._version(workflow, definition, caller, note="")
        async with self._database.transaction(caller.tenant_id) as connection:
            await workflows.insert_workflow(connection, workflow)
            await versions.insert_version(connection, version)
            if not keep:
                await connection.rollback()
        return wire.to_workflow(workflow, version.definition)

    async def _go_live(
        self, connection: AsyncConnection, version: StoredVersion, definition: Workflow
    ) -> None:
        """Replace the workflow's live triggers by those of a version."""
        before = await triggers.find_cursors(connection, version.workflow_id)
        await triggers.delete_triggers(connection, version.workflow_id)
        live = live_triggers(version, definition, self._catalogue, self._clock.now())
        live = carried_over(live, before, self._catalogue)
        refuse_taken(definition, live, await triggers.insert_triggers(connection, live))

    async def _lacking(self, caller: Principal, document: bytes) -> list[Diagnostic]:
        """What the caller's tenant lacks for a definition, if it can be read at all."""
        try:
            definition = parse(document)
        except InvalidInput:
            return []
        async with self._database.transaction(caller.tenant_id) as connection:
            return await warnings(connection, definition, self._catalogue)

    def _version(
        self, workflow: StoredWorkflow, definition: Workflow, caller: Principal, note: str
    ) -> StoredVersion:
        return StoredVersion(
            workflow_id=workflow.id,
            number=workflow.latest_version,
            tenant_id=workflow.tenant_id,
            digest=digest(definition),
            created_by=caller.subject,
            note=note,
            created_at=self._clock.now(),
            definition=definition.model_dump_json(by_alias=True, exclude_defaults=True),
        )


def _read(document: bytes) -> Any:
    """A document as JSON.

    Raises:
        InvalidInput: It is none.
    """
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        violation = Violation("/document", "json_invalid", str(error))
        raise InvalidInput("The document is not JSON.", violations=[violation]) from error


def _check_texts(**texts: str) -> None:
    """Refuse texts that are empty where they must not be, too long, or not text.

    Raises:
        InvalidInput: Some are; each one is a violation.
    """
    try:
        _Texts.model_validate(texts)
    except ValidationError as error:
        raise InvalidInput(
            "The request holds a text that cannot be kept.", violations=violations_of(error)
        ) from error


def _check_etag(workflow: StoredWorkflow, etag: str) -> None:
    """Refuse a change by somebody who has not seen the latest state.

    Raises:
        Conflict: The workflow has changed since.
    """
    if etag and etag != workflow.etag:
        raise Conflict(
            "The workflow has changed since you read it.",
            reason="ETAG_MISMATCH",
            metadata={"etag": workflow.etag},
        )

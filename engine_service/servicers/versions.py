"""Versions: what a workflow's definition was, how it changed, and back to how it was."""

import json
from dataclasses import replace
from typing import Any

import jsonpatch

from engine_service.catalogue import builtin
from engine_service.definitions import hidden
from engine_service.store import versions, workflows
from engine_service.wire import workflows as wire
from shared.clock import Clock
from shared.database import Database
from shared.errors import InvalidInput, Violation
from shared.identity import Role
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import version_service_pb2, version_service_pb2_grpc
from shared.rpc import call
from shared.workflow import JsonObject


class VersionServicer(version_service_pb2_grpc.VersionServiceServicer):
    """flowloom.engine.v1.VersionService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListVersions(
        self, request: version_service_pb2.ListVersionsRequest, context: Any
    ) -> version_service_pb2.ListVersionsResponse:
        page = read_page(request.page_size, request.page_token, request.workflow_id)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            rows = await versions.list_versions(connection, workflow.id, page)
        kept, token = page.cut(rows, lambda version: str(version.number))
        return version_service_pb2.ListVersionsResponse(
            versions=[wire.to_version(version) for version in kept], next_page_token=token
        )

    async def GetVersion(
        self, request: version_service_pb2.GetVersionRequest, context: Any
    ) -> version_service_pb2.GetVersionResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            version = await versions.get_version(connection, workflow.id, request.number)
        return version_service_pb2.GetVersionResponse(version=wire.to_version(version))

    async def DiffVersions(
        self, request: version_service_pb2.DiffVersionsRequest, context: Any
    ) -> version_service_pb2.DiffVersionsResponse:
        """Compare two versions; the first one is compared with an empty document."""
        if request.against < 0:
            violation = Violation("/against", "too_small", "Versions are counted from 1.")
            raise InvalidInput("There are no such versions.", violations=[violation])
        against = request.against or request.number - 1
        async with self._database.transaction(call.caller().tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            new = await versions.get_version(connection, workflow.id, request.number)
            old = await versions.get_version(connection, workflow.id, against) if against else None
        patch = jsonpatch.make_patch(*_shown(old.definition if old else "{}", new.definition))
        return version_service_pb2.DiffVersionsResponse(patch=wire.document(patch.patch))

    async def RestoreVersion(
        self, request: version_service_pb2.RestoreVersionRequest, context: Any
    ) -> version_service_pb2.RestoreVersionResponse:
        caller = call.caller(Role.EDITOR)
        now = self._clock.now()
        async with self._database.transaction(caller.tenant_id) as connection:
            workflow = await workflows.lock_workflow(connection, request.workflow_id)
            old = await versions.get_version(connection, workflow.id, request.number)
            restored = replace(
                old,
                number=workflow.latest_version,
                created_by=caller.subject,
                note=f"Restores version {old.number}.",
                created_at=now,
            )
            number = await versions.append_version(connection, restored)
            workflow = workflow.changed(now, latest_version=number)
            await workflows.save_workflow(connection, workflow)
        return version_service_pb2.RestoreVersionResponse(
            workflow=wire.to_workflow(workflow, restored.definition)
        )


def _shown(before: str, after: str) -> tuple[JsonObject, JsonObject]:
    """Two definitions without their secrets; where a secret has changed, they still differ."""
    secrets: set[str] = set()

    def remember(secret: str) -> str:
        secrets.add(secret)
        return hidden.HIDDEN

    new = hidden.hide(json.loads(after), builtin(), remember)
    old = hidden.hide(
        json.loads(before),
        builtin(),
        lambda secret: hidden.HIDDEN if secret in secrets else f"{hidden.HIDDEN} before",
    )
    return old, new

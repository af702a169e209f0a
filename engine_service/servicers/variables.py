"""Variables: a tenant's values that expressions see as `$vars`."""

import secrets
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, StringConstraints, ValidationError

from engine_service.store import variables as store
from engine_service.store.variables import StoredVariable
from engine_service.wire import credentials as wire
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, InvalidInput, Violation
from shared.identity import Role
from shared.ids import new_id
from shared.pages import read_page
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import variable_service_pb2 as pb
from shared.pb.flowloom.engine.v1 import variable_service_pb2_grpc
from shared.rpc import call
from shared.workflow import violations_of

_MOST_BYTES = 64 * 1024


class _Texts(BaseModel):
    """What people write about a variable."""

    name: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = (
        "_"
    )
    description: Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")] = ""


class VariableServicer(variable_service_pb2_grpc.VariableServiceServicer):
    """flowloom.engine.v1.VariableService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def CreateVariable(
        self, request: pb.CreateVariableRequest, context: Any
    ) -> pb.CreateVariableResponse:
        caller = call.caller(Role.EDITOR)
        _check_texts(name=request.name, description=request.description)
        now = self._clock.now()
        variable = StoredVariable(
            id=new_id("var"),
            tenant_id=caller.tenant_id,
            name=request.name,
            value=_read_value(request.value),
            description=request.description,
            etag=secrets.token_hex(8),
            created_at=now,
            updated_at=now,
        )
        async with self._database.transaction(caller.tenant_id) as connection:
            await store.insert_variable(connection, variable)
        return pb.CreateVariableResponse(variable=wire.to_variable(variable))

    async def GetVariable(
        self, request: pb.GetVariableRequest, context: Any
    ) -> pb.GetVariableResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            variable = await store.get_variable(connection, request.variable_id)
        return pb.GetVariableResponse(variable=wire.to_variable(variable))

    async def ListVariables(
        self, request: pb.ListVariablesRequest, context: Any
    ) -> pb.ListVariablesResponse:
        page = read_page(request.page_size, request.page_token)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            rows = await store.list_variables(connection, page)
        kept, token = page.cut(rows, lambda variable: variable.id)
        return pb.ListVariablesResponse(
            variables=[wire.to_variable(variable) for variable in kept], next_page_token=token
        )

    async def UpdateVariable(
        self, request: pb.UpdateVariableRequest, context: Any
    ) -> pb.UpdateVariableResponse:
        caller = call.caller(Role.EDITOR)
        changes: dict[str, Any] = {
            field: getattr(request, field)
            for field in ("name", "description")
            if request.HasField(field)
        }
        _check_texts(**changes)
        if request.HasField("value"):
            changes["value"] = _read_value(request.value)
        async with self._database.transaction(caller.tenant_id) as connection:
            variable = await store.lock_variable(connection, request.variable_id)
            _check_etag(variable, request.etag)
            variable = variable.changed(self._clock.now(), **changes)
            await store.save_variable(connection, variable)
        return pb.UpdateVariableResponse(variable=wire.to_variable(variable))

    async def DeleteVariable(
        self, request: pb.DeleteVariableRequest, context: Any
    ) -> pb.DeleteVariableResponse:
        caller = call.caller(Role.EDITOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            variable = await store.lock_variable(connection, request.variable_id)
            _check_etag(variable, request.etag)
            await store.delete_variable(connection, variable.id)
        return pb.DeleteVariableResponse()


def _check_texts(**texts: str) -> None:
    """Refuse texts that are no names, too long, or not text.

    Raises:
        InvalidInput: Some are; each one is a violation.
    """
    try:
        _Texts.model_validate(texts)
    except ValidationError as error:
        raise InvalidInput(
            "The request holds a text that cannot be kept.", violations=violations_of(error)
        ) from error


def _read_value(document: Document) -> Any:
    """The value that a document holds.

    Raises:
        InvalidInput: It is null, not JSON, or too long.
    """
    try:
        value: Any = orjson.loads(document.json or b"null")
    except ValueError:
        value = None
    if value is None or len(document.json) > _MOST_BYTES:
        violation = Violation("/value", "invalid", "Any JSON but null, of at most 64 KiB.")
        raise InvalidInput("The value cannot be kept.", violations=[violation])
    return value


def _check_etag(variable: StoredVariable, etag: str) -> None:
    """Refuse a change by somebody who has not seen the latest state.

    Raises:
        Conflict: The variable has changed since.
    """
    if etag and etag != variable.etag:
        raise Conflict(
            "The variable has changed since you read it.",
            reason="ETAG_MISMATCH",
            metadata={"etag": variable.etag},
        )

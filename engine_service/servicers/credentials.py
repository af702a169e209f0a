"""Credentials: taken in, sealed, tried, connected. What is secret goes in here and never out."""

import secrets
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from engine_service.credentials import BY_TYPE
from engine_service.sdk.credential import CredentialType, OAuth2Type
from engine_service.store import credentials as store
from engine_service.store.credentials import READY, UNCONNECTED, StoredCredential
from engine_service.vault.connecting import Connecting
from engine_service.vault.drafts import Draft, draft, kind_of, read_data, redraft
from engine_service.vault.keychain import Contents, Keychain
from engine_service.vault.trying import Trying
from engine_service.wire import credentials as wire
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, InvalidInput
from shared.identity import Principal, Role
from shared.ids import new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import credential_service_pb2 as pb
from shared.pb.flowloom.engine.v1 import credential_service_pb2_grpc
from shared.rpc import call
from shared.workflow import violations_of


class _Texts(BaseModel):
    """What people write about a credential."""

    name: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    ] = "-"
    type: Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00]*$")] = ""


class CredentialServicer(credential_service_pb2_grpc.CredentialServiceServicer):
    """flowloom.engine.v1.CredentialService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(
        self,
        database: Database,
        keychain: Keychain,
        connecting: Connecting,
        trying: Trying,
        clock: Clock,
    ) -> None:
        self._database = database
        self._keychain = keychain
        self._connecting = connecting
        self._trying = trying
        self._clock = clock

    async def ListCredentialTypes(
        self, request: pb.ListCredentialTypesRequest, context: Any
    ) -> pb.ListCredentialTypesResponse:
        call.caller()
        kinds = [BY_TYPE[name] for name in sorted(BY_TYPE)]
        return pb.ListCredentialTypesResponse(
            credential_types=[wire.to_credential_type(kind) for kind in kinds]
        )

    async def CreateCredential(
        self, request: pb.CreateCredentialRequest, context: Any
    ) -> pb.CreateCredentialResponse:
        caller = call.caller(Role.EDITOR)
        _check_texts(name=request.name, type=request.type)
        kind = kind_of(request.type)
        made = draft(kind, read_data(request.data.json), request.hosts)
        stored = self._new(caller, request, kind, made)
        async with self._database.transaction(caller.tenant_id) as connection:
            await store.insert_credential(connection, stored)
        return pb.CreateCredentialResponse(credential=wire.to_credential(stored))

    async def GetCredential(
        self, request: pb.GetCredentialRequest, context: Any
    ) -> pb.GetCredentialResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            stored = await store.get_credential(connection, request.credential_id)
        return pb.GetCredentialResponse(credential=wire.to_credential(stored))

    async def ListCredentials(
        self, request: pb.ListCredentialsRequest, context: Any
    ) -> pb.ListCredentialsResponse:
        _check_texts(type=request.type)
        page = read_page(request.page_size, request.page_token, request.type)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            rows = await store.list_credentials(connection, page, request.type)
        kept, token = page.cut(rows, lambda credential: credential.id)
        return pb.ListCredentialsResponse(
            credentials=[wire.to_credential(stored) for stored in kept], next_page_token=token
        )

    async def UpdateCredential(
        self, request: pb.UpdateCredentialRequest, context: Any
    ) -> pb.UpdateCredentialResponse:
        caller = call.caller(Role.EDITOR)
        if request.HasField("name"):
            _check_texts(name=request.name)
        async with self._database.transaction(caller.tenant_id) as connection:
            stored = await store.lock_credential(connection, request.credential_id)
            _check_etag(stored, request.etag)
            if request.HasField("data") or request.hosts:
                stored = self._redrafted(stored, request)
            name = request.name if request.HasField("name") else stored.name
            stored = stored.changed(self._clock.now(), name=name)
            await store.save_credential(connection, stored)
        return pb.UpdateCredentialResponse(credential=wire.to_credential(stored))

    async def DeleteCredential(
        self, request: pb.DeleteCredentialRequest, context: Any
    ) -> pb.DeleteCredentialResponse:
        caller = call.caller(Role.EDITOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            stored = await store.lock_credential(connection, request.credential_id)
            _check_etag(stored, request.etag)
            await store.delete_credential(connection, stored.id)
        return pb.DeleteCredentialResponse()

    async def TestCredential(
        self, request: pb.TestCredentialRequest, context: Any
    ) -> pb.TestCredentialResponse:
        caller = call.caller(Role.OPERATOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            stored = await store.get_credential(connection, request.credential_id)
        verdict = await self._trying.test(self._keychain.opened(stored), request.url)
        return pb.TestCredentialResponse(
            works=not verdict.message, status=verdict.status, message=verdict.message
        )

    async def ConnectCredential(
        self, request: pb.ConnectCredentialRequest, context: Any
    ) -> pb.ConnectCredentialResponse:
        caller = call.caller(Role.EDITOR)
        url = await self._connecting.start(
            caller.tenant_id, request.credential_id, request.redirect_uri
        )
        return pb.ConnectCredentialResponse(authorization_url=url)

    async def FinishConnect(
        self, request: pb.FinishConnectRequest, context: Any
    ) -> pb.FinishConnectResponse:
        call.caller()  # the gateway vouches for having taken it in; the state says for whom
        stored = await self._connecting.finish(request.state, request.code, request.error)
        return pb.FinishConnectResponse(name=stored.name)

    async def RefreshCredential(
        self, request: pb.RefreshCredentialRequest, context: Any
    ) -> pb.RefreshCredentialResponse:
        caller = call.caller(Role.EDITOR)
        stored = await self._connecting.refresh(caller.tenant_id, request.credential_id)
        return pb.RefreshCredentialResponse(credential=wire.to_credential(stored))

    async def RevokeCredential(
        self, request: pb.RevokeCredentialRequest, context: Any
    ) -> pb.RevokeCredentialResponse:
        caller = call.caller(Role.EDITOR)
        stored = await self._connecting.revoke(caller.tenant_id, request.credential_id)
        return pb.RevokeCredentialResponse(credential=wire.to_credential(stored))

    def _new(
        self,
        caller: Principal,
        request: pb.CreateCredentialRequest,
        kind: CredentialType[Any],
        made: Draft,
    ) -> StoredCredential:
        now = self._clock.now()
        waits = isinstance(kind, OAuth2Type) and kind.connectable
        unsealed = StoredCredential(
            id=new_id("cred"),
            tenant_id=caller.tenant_id,
            name=request.name,
            type=request.type,
            hosts=made.hosts,
            data=made.data,
            secrets=sorted(made.secrets),
            status=UNCONNECTED if waits else READY,
            key_id="",
            wrapped_key=b"",
            sealed=b"",
            expires_at=None,
            etag=secrets.token_hex(8),
            created_by=caller.subject,
            created_at=now,
            updated_at=now,
        )
        return self._keychain.close(unsealed, Contents(dict(made.secrets)))

    def _redrafted(
        self, stored: StoredCredential, request: pb.UpdateCredentialRequest
    ) -> StoredCredential:
        """The credential with new fields; tokens were given for the old ones."""
        kind, contents = kind_of(stored.type), self._keychain.contents(stored)
        before = Draft(stored.data, contents.secrets, stored.hosts)
        after = redraft(kind, before, read_data(request.data.json), request.hosts)
        unsealed = stored.changed(
            self._clock.now(), data=after.data, secrets=sorted(after.secrets), hosts=after.hosts
        )
        if after == before or not isinstance(kind, OAuth2Type):
            return self._keychain.close(unsealed, Contents(dict(after.secrets), contents.tokens))
        status = UNCONNECTED if kind.connectable else READY
        closed = self._keychain.close(unsealed, Contents(dict(after.secrets)))
        return closed.changed(self._clock.now(), status=status)


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


def _check_etag(stored: StoredCredential, etag: str) -> None:
    """Refuse a change by somebody who has not seen the latest state.

    Raises:
        Conflict: The credential has changed since.
    """
    if etag and etag != stored.etag:
        raise Conflict(
            "The credential has changed since you read it.",
            reason="ETAG_MISMATCH",
            metadata={"etag": stored.etag},
        )

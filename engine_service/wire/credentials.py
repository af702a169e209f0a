"""Credentials and variables as the messages of the contract; what is sealed stays here."""

import inspect
from typing import Any

from engine_service.catalogue import SCHEMA_DIALECT
from engine_service.sdk.credential import CredentialType, OAuth2Type
from engine_service.store.credentials import StoredCredential
from engine_service.store.variables import StoredVariable
from engine_service.wire.workflows import document, timestamp
from shared.pb.flowloom.engine.v1 import credential_pb2, variable_pb2


def to_credential(stored: StoredCredential) -> credential_pb2.Credential:
    """A credential without its secrets."""
    status = f"CREDENTIAL_STATUS_{stored.status.upper()}"
    return credential_pb2.Credential(
        id=stored.id,
        name=stored.name,
        type=stored.type,
        data=document(stored.data),
        secrets=stored.secrets,
        hosts=stored.hosts,
        status=credential_pb2.CredentialStatus.Value(status),
        expire_time=timestamp(stored.expires_at) if stored.expires_at else None,
        etag=stored.etag,
        created_by=stored.created_by,
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
    )


def to_credential_type(kind: CredentialType[Any]) -> credential_pb2.CredentialType:
    """A type of credential as people and editors see it."""
    schema = {"$schema": SCHEMA_DIALECT, **kind.Fields.model_json_schema()}
    return credential_pb2.CredentialType(
        type=kind.type,
        title=kind.title,
        description=(inspect.getdoc(type(kind)) or "").partition("\n")[0],
        schema=document(schema),
        hosts=kind.hosts,
        connectable=isinstance(kind, OAuth2Type) and kind.connectable,
    )


def to_variable(stored: StoredVariable) -> variable_pb2.Variable:
    """A variable."""
    return variable_pb2.Variable(
        id=stored.id,
        name=stored.name,
        value=document(stored.value),
        description=stored.description,
        etag=stored.etag,
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
    )

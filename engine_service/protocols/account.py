"""Accounts at servers that do not speak HTTP: what they consist of, and opening one for a node."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, secret
from engine_service.sdk.node import Credentials, Failed, NodeError
from engine_service.web.addresses import canonical_host

Security = Literal["tls", "starttls", "none"]


class AccountFields(CredentialFields):
    """Where a server is, and who signs in there."""

    host: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[^\s/@,]+$",
        description="The server's name or address, such as `mail.example.com`",
    )
    port: int = Field(ge=1, le=65_535, description="The port it listens on")
    username: str = Field(
        default="",
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Who signs in; empty where nobody has to",
    )
    password: str = secret("The password, or one made for apps", default="")
    security: Security = Field(
        default="tls",
        description="`tls` from the first byte, `starttls` after a greeting, or `none`",
    )
    verify_tls: bool = Field(
        default=True, description="Whether the server's certificate must be valid"
    )

    @property
    def place(self) -> str:
        """The server, as credentials are bound to it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http://' if self.security == 'none' else ''}{host}:{self.port}"


A = TypeVar("A", bound=AccountFields)


def places_of(fields: AccountFields) -> Sequence[str]:
    """Where an account may be shown: at its own server."""
    return [fields.place]


async def open_account(credentials: Credentials, kind: str, model: type[A]) -> A:
    """The account that a node refers to.

    Raises:
        NodeError: It refers to none, or its owner has bound it to other hosts.
    """
    credential = await credentials.find(kind)
    if credential is None:
        message = f"A credential of the type {kind} is needed, and the node names none."
        raise NodeError(Failed("credential_missing", message))
    fields = model.model_validate(dict(credential.reveal()))
    scheme = "http" if fields.security == "none" else "https"
    if not credential.covers(scheme, canonical_host(fields.host), fields.port):
        message = f"The credential is not meant for {fields.place}."
        raise NodeError(Failed("credential_host_refused", message))
    return fields

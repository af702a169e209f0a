"""What a credential is: its fields, where it may be shown, and how it gets onto a request.

One file in `credentials/` holds everything about one type; `credentials/__init__.py` lists them.
A field is secret when its schema says `writeOnly`: it is sealed in the vault and never read back.
A `SecretType` puts its fields on requests itself; an `OAuth2Type` says how tokens are got, and its
requests carry the token; an `AccountType` is for servers that do not speak HTTP.
"""

import builtins
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import HttpRequest, HttpResponse, Network
from engine_service.sdk.oauth2 import Terms

_SECRET: dict[str, Any] = {"writeOnly": True}


class CredentialFields(BaseModel):
    """The base of every type's fields: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


F = TypeVar("F", bound=CredentialFields)


def secret(description: str, *, default: Any = ..., max_length: int = 10_000) -> Any:
    """A field that nobody reads back; one line, because it goes into headers."""
    return Field(
        default=default,
        min_length=1 if default is ... else 0,
        max_length=max_length,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        repr=False,
        json_schema_extra=_SECRET,
        description=description,
    )


class CredentialType(ABC, Generic[F]):
    """A kind of credential. Subclass one of the three below, not this.

    Class attributes:
        type: Its name, as definitions and node types refer to it.
        title: Its name for people.
        Fields: The Pydantic model of its fields; every field has a description.
        hosts: Where it may be shown when its owner names no hosts.
        over_http: Whether it can be put on any HTTP request, so that `http.request` can use it.
    """

    Fields: ClassVar[builtins.type[CredentialFields]]
    type: ClassVar[str]
    title: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]] = ()
    over_http: ClassVar[bool] = True

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """The fields that nobody reads back."""
        return frozenset(
            name
            for name, field in cls.Fields.model_fields.items()
            if field.json_schema_extra == _SECRET
        )

    def hosts_of(self, fields: F) -> Sequence[str]:
        """Where it may be shown when its owner names no hosts."""
        del fields
        return self.hosts

    def probe(self, fields: F) -> HttpRequest | None:
        """A harmless request that shows whether it works; None when there is none for all."""
        del fields
        return None

    def complaint(self, response: HttpResponse) -> str:
        """Why the answer to the probe means that it does not work; empty when it does."""
        return "" if response.status < 400 else f"The server answered {response.status}."


class SecretType(CredentialType[F]):
    """A credential that is known in full: a key, a token, a password."""

    async def prepare(self) -> None:
        """Load what `apply` needs and what takes a while, beside the event loop."""

    @abstractmethod
    def apply(self, fields: F, request: HttpRequest) -> HttpRequest:
        """The request with the credential on it."""

    def forms(self, fields: F) -> Sequence[str]:
        """Other forms of the secrets, as they go over the wire, that must not be shown either."""
        del fields
        return ()


class AccountType(CredentialType[F]):
    """An account at a server that speaks another protocol than HTTP, bound to that server."""

    over_http = False

    @abstractmethod
    async def try_out(self, fields: F, network: Network) -> None:
        """Sign in and leave again.

        Raises:
            NodeError: That did not work; the message says why.
        """


class OAuth2Type(CredentialType[F]):
    """A credential whose tokens come from a server and expire.

    Class attributes:
        connectable: Whether a person has to consent before there are any.
    """

    connectable: ClassVar[bool] = True

    @abstractmethod
    def terms(self, fields: F) -> Terms:
        """How tokens are got."""


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    """A request with a header set, whatever it had by that name."""
    kept: Mapping[str, str] = {
        known: text for known, text in request.headers.items() if known.lower() != name.lower()
    }
    return replace(request, headers={**kept, name.lower(): value})

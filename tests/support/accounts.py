"""Accounts at servers of tests: what a node finds when it asks for its credential."""

from collections.abc import Mapping
from typing import Any, cast

from engine_service.credentials import BY_TYPE
from engine_service.protocols.account import AccountFields
from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import HttpRequest
from engine_service.web.addresses import AllowList
from engine_service.web.binding import Binding
from engine_service.web.network import GuardedNetwork


class Account:
    """An opened account; implements `node.Credential`."""

    def __init__(self, kind: AccountType[Any], fields: AccountFields) -> None:
        self._kind = kind
        self._fields = fields

    @property
    def type(self) -> str:
        return self._kind.type

    def covers(self, scheme: str, host: str, port: int) -> bool:
        return Binding.parse(self._kind.hosts_of(self._fields)).covers(scheme, host, port)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        raise AssertionError("an account is not for HTTP")

    async def renew(self) -> bool:
        return False

    def hide(self, text: str) -> str:
        return text.replace(self._fields.password or "\0", "[hidden]")

    def open_fields(self) -> Mapping[str, Any]:
        return self._fields.model_dump(exclude=set(self._kind.secret_names()))

    def reveal(self) -> Mapping[str, Any]:
        return self._fields.model_dump()


class Accounts:
    """One account of each type that is asked for; implements `node.Credentials`."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    async def find(self, *types: str) -> Account | None:
        kind = next((BY_TYPE[name] for name in types if name in BY_TYPE), None)
        if not isinstance(kind, AccountType):
            return None
        known = {n: v for n, v in self._fields.items() if n in kind.Fields.model_fields}
        fields = cast("AccountFields", kind.Fields.model_validate(known))
        return Account(kind, fields)

    def hide(self, text: str) -> str:
        return text.replace(str(self._fields.get("password") or "\0"), "[hidden]")


def loopback() -> GuardedNetwork:
    """A network that may reach this machine."""
    return GuardedNetwork(AllowList.parse(["127.0.0.1"]))

"""A bearer token that a node may show to one place."""

from collections.abc import Mapping
from typing import Any

from engine_service.sdk.credential import with_header
from engine_service.sdk.node import HttpRequest


class Bearer:
    """An opened credential, bound to one host and port; it finds itself, whatever is looked for."""

    type = "http.bearer"

    def __init__(self, token: str, authority: str) -> None:
        self._token = token
        self._authority = authority

    async def find(self, *types: str) -> "Bearer | None":
        return self if self.type in types else None

    def covers(self, scheme: str, host: str, port: int) -> bool:
        return bool(scheme) and self._authority in (host, f"{host}:{port}")

    async def sign(self, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Bearer {self._token}")

    async def renew(self) -> bool:
        return False

    def hide(self, text: str) -> str:
        return text.replace(self._token, "[hidden]")

    def open_fields(self) -> Mapping[str, Any]:
        return {}

    def reveal(self) -> Mapping[str, Any]:
        return {"token": self._token}

"""`http.basic`: a user's name and password."""

import base64
from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest


class BasicFields(CredentialFields):
    """Who, and how they prove it."""

    username: str = Field(max_length=1_000, description="The user's name")
    password: str = secret("The user's password")


class HttpBasic(SecretType[BasicFields]):
    """A name and a password in the Authorization header (RFC 7617)."""

    Fields = BasicFields
    type = "http.basic"
    title = "User name and password"

    def apply(self, fields: BasicFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Basic {_pair(fields)}")

    def forms(self, fields: BasicFields) -> Sequence[str]:
        return [_pair(fields)]


def _pair(fields: BasicFields) -> str:
    return base64.b64encode(f"{fields.username}:{fields.password}".encode()).decode("ascii")

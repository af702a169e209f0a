"""`http.bearer`: a token in the Authorization header."""

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest


class BearerFields(CredentialFields):
    """The token."""

    token: str = secret("The token")
    scheme: str = Field(
        default="Bearer",
        pattern=r"^[!-~]{1,40}$",
        description="The word before the token, for servers that want another one",
    )


class HttpBearer(SecretType[BearerFields]):
    """A bearer token (RFC 6750)."""

    Fields = BearerFields
    type = "http.bearer"
    title = "Bearer token"

    def apply(self, fields: BearerFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"{fields.scheme} {fields.token}")

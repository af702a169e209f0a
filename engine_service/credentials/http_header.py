"""`http.header`: a secret in a header of its own."""

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest


class HeaderFields(CredentialFields):
    """The header."""

    name: str = Field(
        default="x-api-key",
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$",
        description="The header's name",
    )
    value: str = secret("The header's value")


class HttpHeader(SecretType[HeaderFields]):
    """A secret that an API wants in a header, such as `X-Api-Key`."""

    Fields = HeaderFields
    type = "http.header"
    title = "Header"

    def apply(self, fields: HeaderFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, fields.name, fields.value)

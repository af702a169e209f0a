"""`openai.key`: a key of OpenAI, or of a server that speaks its wire."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of


class OpenAiFields(CredentialFields):
    """The secret, and whom it is for."""

    api_key: str = secret("The key, `sk-…`")
    base_url: str = Field(
        default="https://api.openai.com/v1",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class OpenAiKey(SecretType[OpenAiFields]):
    """A key of OpenAI, or of a server that speaks its wire."""

    Fields = OpenAiFields
    type = "openai.key"
    title = "OpenAI key"

    def hosts_of(self, fields: OpenAiFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: OpenAiFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Bearer {fields.api_key}")

    def probe(self, fields: OpenAiFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/models")

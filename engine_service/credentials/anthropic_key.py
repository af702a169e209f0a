"""`anthropic.key`: a key of Anthropic, or of a server that speaks its wire."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of

VERSION = "2023-06-01"
"""The version of the API that is spoken, unless a request names another."""


class AnthropicFields(CredentialFields):
    """The secret, and whom it is for."""

    api_key: str = secret("The key, `sk-ant-…`")
    base_url: str = Field(
        default="https://api.anthropic.com",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class AnthropicKey(SecretType[AnthropicFields]):
    """A key of Anthropic, or of a server that speaks its wire."""

    Fields = AnthropicFields
    type = "anthropic.key"
    title = "Anthropic key"

    def hosts_of(self, fields: AnthropicFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: AnthropicFields, request: HttpRequest) -> HttpRequest:
        signed = with_header(request, "x-api-key", fields.api_key)
        if "anthropic-version" in {name.lower() for name in request.headers}:
            return signed
        return with_header(signed, "anthropic-version", VERSION)

    def probe(self, fields: AnthropicFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/v1/models")

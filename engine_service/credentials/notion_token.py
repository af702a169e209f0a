"""`notion.token`: a token of a Notion integration."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of

VERSION = "2022-06-28"
"""The version of the API that is spoken, unless a request names another."""


class NotionFields(CredentialFields):
    """The secret, and whom it is for."""

    token: str = secret("The integration's token, `ntn_…`")
    base_url: str = Field(
        default="https://api.notion.com",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class NotionToken(SecretType[NotionFields]):
    """A token of a Notion integration."""

    Fields = NotionFields
    type = "notion.token"
    title = "Notion token"

    def hosts_of(self, fields: NotionFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: NotionFields, request: HttpRequest) -> HttpRequest:
        signed = with_header(request, "authorization", f"Bearer {fields.token}")
        if "notion-version" in {name.lower() for name in request.headers}:
            return signed
        return with_header(signed, "notion-version", VERSION)

    def probe(self, fields: NotionFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/v1/users/me")

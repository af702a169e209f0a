"""`slack.token`: a token of a Slack app."""

from collections.abc import Sequence

import orjson
from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest, HttpResponse
from engine_service.web.binding import host_of


class SlackFields(CredentialFields):
    """The secret, and whom it is for."""

    token: str = secret("The app's token, `xoxb-…`")
    base_url: str = Field(
        default="https://slack.com/api",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class SlackToken(SecretType[SlackFields]):
    """A token of a Slack app."""

    Fields = SlackFields
    type = "slack.token"
    title = "Slack token"

    def hosts_of(self, fields: SlackFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: SlackFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Bearer {fields.token}")

    def probe(self, fields: SlackFields) -> HttpRequest:
        return HttpRequest("POST", f"{fields.base_url}/auth.test")

    def complaint(self, response: HttpResponse) -> str:
        """Slack says no with status 200."""
        try:
            answer = orjson.loads(response.body)
        except ValueError:
            answer = None
        match answer:
            case {"ok": True}:
                return ""
            case {"error": str(error)}:
                return f"Slack answered {error}."
            case _:
                return f"The server answered {response.status}, but not as Slack does."

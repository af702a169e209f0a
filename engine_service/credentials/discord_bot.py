"""`discord.bot`: the token of a Discord bot."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of


class DiscordFields(CredentialFields):
    """The secret, and whom it is for."""

    token: str = secret("The bot's token")
    base_url: str = Field(
        default="https://discord.com/api/v10",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class DiscordBot(SecretType[DiscordFields]):
    """The token of a Discord bot."""

    Fields = DiscordFields
    type = "discord.bot"
    title = "Discord bot"

    def hosts_of(self, fields: DiscordFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: DiscordFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Bot {fields.token}")

    def probe(self, fields: DiscordFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/users/@me")

"""`telegram.bot`: the token of a Telegram bot."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret
from engine_service.sdk.node import Failed, HttpRequest, NodeError
from engine_service.web.binding import host_of


class TelegramFields(CredentialFields):
    """The secret, and whom it is for."""

    token: str = secret("The bot's token, as BotFather gave it")
    base_url: str = Field(
        default="https://api.telegram.org",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class TelegramBot(SecretType[TelegramFields]):
    """The token of a Telegram bot; it takes its place in addresses such as `/bot/sendMessage`."""

    Fields = TelegramFields
    type = "telegram.bot"
    title = "Telegram bot"

    def hosts_of(self, fields: TelegramFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: TelegramFields, request: HttpRequest) -> HttpRequest:
        parts = urlsplit(request.url)
        before, bot, after = parts.path.partition("/bot/")
        if not bot:
            message = "The address has no /bot/, where the token goes: …/bot/sendMessage."
            raise NodeError(Failed("bad_request", message))
        path = f"{before}/bot{quote(fields.token, safe=':')}/{after}"
        return replace(request, url=urlunsplit(parts._replace(path=path)))

    def forms(self, fields: TelegramFields) -> Sequence[str]:
        return [quote(fields.token, safe=":"), quote(fields.token, safe="")]

    def probe(self, fields: TelegramFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/bot/getMe")

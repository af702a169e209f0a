"""`smtp.account`: an account that sends e-mail."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.protocols.account import AccountFields, Security, places_of
from engine_service.protocols.smtp import Mailer
from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import Network


class SmtpFields(AccountFields):
    """The server, who signs in, and in whose name letters go out."""

    port: int = Field(
        default=587, ge=1, le=65_535, description="587 for starttls, 465 for tls, else often 25"
    )
    security: Security = Field(
        default="starttls",
        description="`starttls` after a greeting, `tls` from the first byte, or `none`",
    )
    sender: str = Field(
        default="",
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="The usual sender, `Name <address>` or an address; the username when empty",
    )


class SmtpAccount(AccountType[SmtpFields]):
    """An account at a mail server that sends e-mail over SMTP."""

    Fields = SmtpFields
    type = "smtp.account"
    title = "SMTP account"

    def hosts_of(self, fields: SmtpFields) -> Sequence[str]:
        return places_of(fields)

    async def try_out(self, fields: SmtpFields, network: Network) -> None:
        mailer = Mailer(network, fields)
        try:
            await mailer.connect()
        finally:
            mailer.close()

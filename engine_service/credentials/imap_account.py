"""`imap.account`: an account that reads e-mail."""

from collections.abc import Sequence

from engine_service.protocols.account import places_of
from engine_service.protocols.imap import ImapFields, sign_in
from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import Network


class ImapAccount(AccountType[ImapFields]):
    """An account at a mail server whose mailbox is read over IMAP."""

    Fields = ImapFields
    type = "imap.account"
    title = "IMAP account"

    def hosts_of(self, fields: ImapFields) -> Sequence[str]:
        return places_of(fields)

    async def try_out(self, fields: ImapFields, network: Network) -> None:
        await sign_in(network, fields)

"""A mailbox on loopback for tests, served by a real IMAP server."""

import asyncio
import imaplib
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer

USER, PASSWORD = "ada", "s3cret"
T = TypeVar("T")


@dataclass
class Mailbox:
    """The server, and what a test does at it as another client."""

    port: int

    async def deliver(self, subject: str, *, body: str = "Hello.", folder: str = "INBOX") -> None:
        """Put a message into a folder."""
        message = (
            f"From: Bob <bob@example.com>\r\nTo: ada@example.com\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@example.com>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
            f"\r\n{body}\r\n"
        )
        await self._do(lambda box: box.append(folder, "", "", message.encode()))

    async def seen(self, folder: str = "INBOX") -> list[int]:
        """The places of messages that are marked as read."""

        def search(box: imaplib.IMAP4) -> list[int]:
            box.select(folder, readonly=True)
            _, [found] = box.search(None, "SEEN")
            return [int(place) for place in found.split()]

        return await self._do(search)

    async def make_anew(self, folder: str) -> None:
        """Delete a folder and create it again: it numbers its messages anew then."""

        def again(box: imaplib.IMAP4) -> None:
            box.delete(folder)
            box.create(folder)

        await self._do(again)

    async def _do(self, job: Callable[[imaplib.IMAP4], T]) -> T:
        def work() -> T:
            with imaplib.IMAP4("127.0.0.1", self.port, timeout=10) as box:
                box.login(USER, PASSWORD)
                return job(box)

        return await asyncio.to_thread(work)


@asynccontextmanager
async def imap_server() -> AsyncGenerator[Mailbox]:
    """A server with one user and an empty inbox."""
    told = Namespace(
        host=None,
        port="0",
        cert=None,
        key=None,
        tls=False,
        proxy_protocol=None,
        inherited_sockets=None,
        debug=False,
        insecure_login=True,
        passlib_cfg=None,
        demo_data=False,
        demo_user=USER,
        demo_password=PASSWORD,
    )
    backend, config = await DictBackend.init(told)
    serve = IMAPServer(backend.login, config)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer, SocketInfo.get(writer, None))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Mailbox(server.sockets[0].getsockname()[1])
    finally:
        server.close()

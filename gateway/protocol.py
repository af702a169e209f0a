"""HTTP/1.1 as the gateway speaks it: uvicorn's protocol, with a bound on the head of a request.

A head that never ends, or that takes its time, would hold memory and a connection before anybody
could ask who sends it. It gets an answer of the usual form, and the connection is closed.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.errors import MEDIA_TYPE

MOST_HEAD_BYTES = 64 * 1024


class Protocol(HttpToolsProtocol):
    """One connection.

    Class attributes:
        seconds: In which the head of a request must have arrived.
    """

    seconds: ClassVar[float] = 60.0
    _patience: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (as uvicorn has it)
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._patience is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._patience is None:  # another request on the same connection
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST, "This is no HTTP request.")

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(
            self.seconds, self._refuse, HTTPStatus.REQUEST_TIMEOUT, "The head took too long."
        )

    def _head_is_here(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer before the application has heard of the request, and close the connection."""
        self._head_is_here()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if answering or (status == HTTPStatus.REQUEST_TIMEOUT and not self._head_bytes):
            self.transport.close()  # another answer is under way, or nobody has asked anything
            return
        code = status.name
        body = orjson.dumps(
            {
                "type": f"urn:flowloom:problem:{code.lower().replace('_', '-')}",
                "title": status.phrase,
                "status": int(status),
                "detail": detail,
                "code": code,
                "errors": cast("list[object]", []),
            }
        )
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def patient_for(seconds: float) -> type[Protocol]:
    """The protocol with so much patience."""

    class Patient(Protocol):
        pass

    Patient.seconds = seconds
    return Patient

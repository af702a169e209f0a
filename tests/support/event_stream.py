"""Event streams as a browser reads them (HTML, 9.2.6): bytes to events, resumable at any byte."""

import re
from dataclasses import dataclass, field

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event that was dispatched."""

    type: str
    data: str
    last_event_id: str


@dataclass
class EventStreamReader:
    """Reads a stream; what is not yet dispatched when it ends is lost, as the standard says."""

    last_event_id: str = ""
    retry: int | None = None
    comments: list[str] = field(default_factory=list[str])
    _type: str = ""
    _data: list[str] = field(default_factory=list[str])

    def read(self, stream: bytes) -> list[StreamEvent]:
        """The events of a whole stream."""
        text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
        *lines, _ = _LINE_END.split(text)
        return [event for line in lines if (event := self.take(line))]

    def take(self, line: str) -> StreamEvent | None:
        """Take one line; the event that it completes, if it completes one."""
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:].strip())
            return None
        name, _, value = line.partition(":")
        self._set(name, value.removeprefix(" "))
        return None

    def _set(self, name: str, value: str) -> None:
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_event_id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry = int(value)
            case _:
                pass

    def _dispatch(self) -> StreamEvent | None:
        kind, data = self._type or "message", self._data
        self._type, self._data = "", []
        return StreamEvent(kind, "\n".join(data), self.last_event_id) if data else None

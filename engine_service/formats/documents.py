"""Documents: JSON, lines of JSON, and text, read piece by piece where that can be."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, TextIO

import orjson

from engine_service.encoding import encode
from engine_service.formats.failing import Unreadable

Write = Callable[[bytes], int]

MOST_WHOLE = 16 * 1024 * 1024
"""As large may be what is read in one step."""
_CHARACTERS = 64 * 1024
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def read_json(file: BinaryIO) -> Iterator[Any]:
    """The members of a list, however long it is, or one value of any other kind.

    Raises:
        Unreadable: It is no JSON, or too large to be read as one value.
    """
    try:
        text = io.TextIOWrapper(file, encoding="utf-8-sig")
        begin = ""
        while not begin and (fresh := text.read(_CHARACTERS)):
            begin = fresh.lstrip(_SPACE)
        if begin.startswith("["):
            yield from _members(begin[1:], text)
            return
        whole = begin + text.read(MOST_WHOLE)
        if text.read(1):
            raise Unreadable("The document is too large; only a list can be that large.")
        yield json.loads(whole)
    except (UnicodeError, RecursionError) as error:
        raise Unreadable("The file is no JSON in UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"The file is no JSON: {error.msg}.") from error


def read_document(file: BinaryIO) -> Any:
    """One value of any kind.

    Raises:
        Unreadable: It is no JSON, or too large.
    """
    try:
        return json.loads(read_text(file, "utf-8"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable("The file is no JSON.") from error


def read_lines(file: BinaryIO) -> Iterator[Any]:
    """The values of a file with a JSON value in each line.

    Raises:
        Unreadable: A line is none.
    """
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"Line {number} is no JSON.") from error


def read_text(file: BinaryIO, encoding: str) -> str:
    """The whole text.

    Raises:
        Unreadable: It is in another encoding, or too large.
    """
    data = file.read(MOST_WHOLE + 1)
    if len(data) > MOST_WHOLE:
        raise Unreadable(f"A text of more than {MOST_WHOLE // 1024**2} MiB is too large.")
    name = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        return data.decode(name)
    except (UnicodeError, LookupError) as error:
        raise Unreadable(f"The text is not in {encoding}.") from error


def write_lines(values: Iterable[Any], write: Write) -> None:
    """Write values as lines of JSON."""
    _in_pieces((encode(value).encode() + b"\n" for value in values), write)


def write_list(values: Iterable[Any], write: Write, *, pretty: bool) -> None:
    """Write values as one JSON list."""

    def pieces() -> Iterator[bytes]:
        before = b"[\n" if pretty else b"["
        for value in values:
            yield before + _said(value, pretty=pretty)
            before = b",\n" if pretty else b","
        yield b"[]" if before.startswith(b"[") else b"\n]" if pretty else b"]"

    _in_pieces(pieces(), write)


def write_value(value: Any, write: Write, *, pretty: bool) -> None:
    """Write one value as JSON."""
    write(_said(value, pretty=pretty))


def _said(value: Any, *, pretty: bool) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=2) if pretty else encode(value)
    return text.encode("utf-8", "replace")


def _in_pieces(lines: Iterable[bytes], write: Write) -> None:
    gathered = bytearray()
    for line in lines:
        gathered += line
        if len(gathered) > _CHARACTERS:
            write(bytes(gathered))
            gathered.clear()
    if gathered:
        write(bytes(gathered))


def _members(held: str, text: TextIO) -> Iterator[Any]:
    """The members of a list whose bracket is behind us.

    A member that is cut off is tried again with twice as much text, so that large ones are not
    read over and over.
    """
    place, more = 0, _CHARACTERS
    first = True
    while True:
        place = _skip(held, place)
        if not first and place < len(held) and held[place] == ",":
            place = _skip(held, place + 1)
        elif place < len(held) and held[place] == "]":
            return
        elif not first and place < len(held):
            raise Unreadable("The file is no JSON: a comma is missing in its list.")
        value, end, problem = _decode(held, place)
        # What ends where the text does may go on behind it: `1e-` is no 1.
        if (problem or end + 3 > len(held)) and (fresh := text.read(more)):
            # What stands before is done with; the comma is looked for once more.
            held, place = ("" if first else ",") + held[place:] + fresh, 0
            more = min(more * 2, MOST_WHOLE)
            if len(held) > 2 * MOST_WHOLE:
                raise Unreadable("A member of the list is too large.")
            continue
        if problem:
            raise problem
        yield value
        first, place = False, end
        more = _CHARACTERS


def _decode(text: str, place: int) -> tuple[Any, int, json.JSONDecodeError | None]:
    try:
        value, end = _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        return None, place, error
    return value, end, None


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place

"""JSON between the engine and its journal: what is not JSON is refused here, not by PostgreSQL."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class NotJson(ValueError):
    """A node gave something that cannot be written as JSON."""


def encode(value: Any) -> str:
    """A value as JSON text.

    Raises:
        NotJson: It holds something that is not JSON.
    """
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError as error:
        if "Recursion limit" in str(error):
            raise NotJson("The output is nested too deeply.") from error
    try:
        # Large integers are JSON although orjson does not say them; half characters are not.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(errors="replace").decode()
    except (TypeError, ValueError) as error:
        raise NotJson(f"The output is not JSON: {error}") from error


def decode(text: str | bytes) -> Any:
    """The value that JSON text stands for."""
    return orjson.loads(text)


# --- what may be large, in pieces: no single step of these holds anybody up for long

_TOGETHER = 64
"""As many items are encoded in one step."""


def encode_if_small(outputs: Mapping[str, Sequence[Any]], most: int) -> str | None:
    """Outputs as JSON text, or None as soon as they turn out to be longer than that.

    Raises:
        NotJson: They hold something that is not JSON.
    """
    if sum(map(len, outputs.values())) <= _TOGETHER:
        text = encode(outputs)
        return text if len(text) <= most else None
    size, ports = 0, list[str]()
    for port, items in outputs.items():
        pieces = list[str]()
        for piece in _pieces(items):
            size += len(piece)
            if size > most:
                return None
            pieces.append(piece[1:-1])
        ports.append(f"{encode(port)}:[{','.join(pieces)}]")
    return f"{{{','.join(ports)}}}"


def encode_list(items: Sequence[Any]) -> Iterator[bytes]:
    """A list as JSON, piece by piece."""
    yield b"["
    for place, piece in enumerate(_pieces(items)):
        yield (b"," if place else b"") + piece[1:-1].encode()
    yield b"]"


def encode_lines(outputs: Mapping[str, Sequence[Any]]) -> Iterator[bytes]:
    """Outputs as lines `["port",[item, …]]`, for `gather_lines`."""
    for port, items in outputs.items():
        for piece in _pieces(items) if items else ["[]"]:
            yield f"[{encode(port)},{piece}]\n".encode()


def gather_lines(lines: Iterable[bytes]) -> dict[str, list[Any]]:
    """The outputs that lines stand for."""
    outputs: dict[str, list[Any]] = {}
    for line in lines:
        port, items = orjson.loads(line)
        outputs.setdefault(port, []).extend(items)
    return outputs


def _pieces(items: Sequence[Any]) -> Iterator[str]:
    for start in range(0, len(items), _TOGETHER):
        yield encode(items[start : start + _TOGETHER])

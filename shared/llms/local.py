"""Embeddings without key, network or much memory: the word vectors that come in a wheel.

The wheel `wordllama` carries a table of vectors, one a token, made for averaging. Its own code
would load the table and four libraries; reading it here through a memory map costs the tokenizer
and the pages that are touched. Nothing is loaded before the first text.
"""

import asyncio
import importlib.util
import json
import math
import mmap
import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import tokenizers

from shared.errors import InvalidInput, Unavailable
from shared.llm import Budget, Embeddings, Usage

_PACKAGE = "wordllama"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_BYTES_PER_NUMBER = 2


_NAMES = ("local", "local:wordllama-256")


def connect(name: str) -> "LocalEmbedder":
    """The model of this name.

    Raises:
        InvalidInput: It is no local model's.
    """
    if name not in _NAMES:
        message = f"There is no local model {name!r}, only {_NAMES[1]}."
        raise InvalidInput(message, reason="MODEL_NAME_INVALID")
    return LocalEmbedder()


class LocalEmbedder:
    """Averages of token vectors, normalized; deterministic."""

    name = "local:wordllama-256"

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        """Vectors of all texts, computed in a thread; costs nothing.

        Raises:
            Unavailable: The wheel is not installed.
        """
        del budget
        vectors = await asyncio.to_thread(lambda: [self._table.vector(text) for text in texts])
        return Embeddings(self.name, vectors, Usage())

    async def close(self) -> None:
        """Nothing to give back."""

    @cached_property
    def _table(self) -> "_Table":
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise Unavailable(f"The package {_PACKAGE} is not installed.")
        return _Table(Path(found.submodule_search_locations[0]))


class _Table:
    """The vectors of all tokens, on disk (safetensors: a header in JSON, then the numbers)."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / _TOKENIZER))
        with (folder / _WEIGHTS).open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (header_size,) = struct.unpack_from("<Q", self._bytes)
        header = json.loads(self._bytes[8 : 8 + header_size])
        (tensor,) = [entry for name, entry in header.items() if name != "__metadata__"]
        if tensor["dtype"] != "F16":
            raise Unavailable(f"The vectors of {_PACKAGE} have an unknown form.")
        _, self._size = tensor["shape"]
        self._start = 8 + header_size + tensor["data_offsets"][0]
        self._row = struct.Struct(f"<{self._size}e")

    def vector(self, text: str) -> Sequence[float]:
        tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
        width = self._size * _BYTES_PER_NUMBER
        known = {
            one: self._row.unpack_from(self._bytes, self._start + one * width)
            for one in dict.fromkeys(tokens)
        }
        rows = [known[one] for one in tokens]
        total = [math.fsum(column) for column in zip(*rows, strict=True)] or [0.0] * self._size
        length = math.hypot(*total) or 1.0
        return [number / length for number in total]

"""Vectors without key and network; what makes them is loaded when the first text comes."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from shared.errors import InvalidInput
from shared.llms import LlmSettings, Models, connect_embedder


async def test_the_local_model_puts_what_is_alike_near() -> None:
    embedder = await Models(LlmSettings(allow_model_requests=False)).get_embedder("local")
    embedded = await embedder.embed(
        ["ask me for approval", "human approval", "call an API over HTTP", ""]
    )
    near = _cosine(embedded.vectors[0], embedded.vectors[1])
    far = _cosine(embedded.vectors[0], embedded.vectors[2])
    assert near > 0.5 > far
    assert all(len(vector) == 256 for vector in embedded.vectors)
    assert (embedded.model, embedded.usage.total_tokens) == ("local:wordllama-256", 0)


def test_there_is_one_local_model() -> None:
    with pytest.raises(InvalidInput) as caught:
        connect_embedder("local:other", LlmSettings())
    assert caught.value.code == "MODEL_NAME_INVALID"


def test_it_is_loaded_when_it_is_wanted() -> None:
    script = (
        "import sys\n"
        "from shared.llms import LlmSettings, connect_embedder\n"
        "print('tokenizers' in sys.modules)\n"
        "connect_embedder('local', LlmSettings())\n"
        "print('tokenizers' in sys.modules, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["False", "True False"]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    pairs = zip(one, other, strict=True)
    return sum(left * right for left, right in pairs)

"""The workflow language: what is read, what is refused and where, what a digest names."""

import pytest

from shared.errors import InvalidInput
from shared.workflow import digest, parse

SOUND = b'{"name": "A", "nodes": [{"id": "a", "name": "A", "type": "flow.noop"}]}'


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (b"", ""),
        (b"{", ""),
        (b"null", ""),
        (b'{"nodes": [NaN]}', ""),
        (b'{"nodes": [{"id": "a", "parameters": {"x": Infinity}}]}', ""),
        (b'{"description": "nul \\u0000"}', "/description"),
        (b'{"name": "nul \\u0000"}', "/name"),
        (b'{"nodes": [{"id": "A B", "name": "A", "type": "flow.noop"}]}', "/nodes/0/id"),
        (b'{"nodes": [], "surprise/here": 1}', "/surprise~1here"),
        (b'{"connections": [{"from": "a", "to": "b", "index": -1}]}', "/connections/0/index"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_with_its_place(document: bytes, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(document)
    assert caught.value.code == "MALFORMED_DEFINITION"
    assert [violation.pointer for violation in caught.value.violations] == [pointer]


def test_a_digest_names_the_content_not_its_spelling() -> None:
    spelled_out = parse(
        b'{"nodes": [{"type": "flow.noop", "name": "A", "disabled": false, "id": "a"}], "name":"A"}'
    )
    assert digest(parse(SOUND)) == digest(spelled_out)
    assert digest(parse(SOUND)) != digest(parse(SOUND.replace(b"flow.noop", b"data.set")))


def test_large_integers_survive() -> None:
    document = SOUND.replace(b'"flow.noop"', b'"flow.noop", "parameters": {"n": 9007199254740993}')
    assert parse(document).nodes[0].parameters == {"n": 9007199254740993}

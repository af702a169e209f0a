"""JSON from files, standard input and options."""

import io
from pathlib import Path

import pytest

from cli.documents import read_document, read_value
from cli.exits import Exit, Failure


@pytest.mark.parametrize("source", ["-", "@-"])
def test_standard_input_has_two_names(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"n": 1}'))
    assert read_document(source) == {"n": 1}


def test_a_file_may_be_named_with_an_at_sign(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"n": "é"}', encoding="utf-8")
    assert read_document(str(file)) == read_document(f"@{file}") == {"n": "é"}
    assert read_value(f"@{file}", "--input") == {"n": "é"}
    assert read_value('{"n": 2}', "--input") == {"n": 2}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON"),
        (b'{"n": NaN}', "is not JSON"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_json_is_said(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    with pytest.raises(Failure, match=told) as failure:
        read_document(str(file))
    assert failure.value.exit is Exit.USAGE


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(Failure, match="cannot be read"):
            read_document(str(place))


def test_an_option_that_is_no_json_says_how_a_file_is_named() -> None:
    with pytest.raises(Failure, match=r"@order\.json"):
        read_value("order.json", "--input")

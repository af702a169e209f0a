"""JavaScript's regular expressions: what authors write must mean what they mean."""

import pytest

from engine_service.values.patterns import (
    MOST_SIGNS,
    TIME_LIMIT_SECONDS,
    BadPattern,
    Budget,
    search,
)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a", "cat", True),
        ("/^fo{2}$/g", "foo", True),
        ("/FOO/i", "foo", True),
        ("FOO", "foo", False),
        ("end$", "end\n", False),
        ("/end$/m", "end\nmore", True),
        ("/a.b/s", "a\nb", True),
        ("a.b", "a\nb", False),
        ("/a/y", "ba", False),
        (r"^\d+$", "١٢", False),
        (r"^\d+$", "12", True),
        (r"^[\d\w.-]+$", "a-1.b", True),
        (r"\D", "7", False),
        (r"^\W$", "ü", True),
        (r"\u00fc", "ü", True),
        (r"\u{1F600}", "😀", True),
        (r"\x41", "A", True),
        (r"\/path\/", "/path/", True),
        (r"[[]", "[", True),
        (r"[^]", "\n", True),
        (r"a[]", "a", False),
        (r"(?<word>a)\k<word>", "aa", True),
        (r"(?<=€)\d", "€5", True),
        (r"(?<!a+)b", "aab", False),
        (r"^\p{L}+$", "Ünïcödé", True),
        (r"\z", "z", True),
        (r"[\b]", "\b", True),
        (r"\cA", "\x01", True),
        (r"a{2,}", "aa", True),
        (r"\bword\b", "a word.", True),
        ("", "anything", True),
    ],
)
def test_a_pattern_is_found_as_in_javascript(pattern: str, text: str, found: bool) -> None:
    assert search(pattern, text) is found


@pytest.mark.parametrize(
    "pattern",
    ["(", "[", "a{2,1}", "(?<a", "*", r"\p{Nonsense}", r"\u{110000}", r"\u{FFFFFFFFF}"],
)
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern, match="malformed"):
        search(pattern, "text")


def test_a_pattern_that_backtracks_without_end_is_stopped() -> None:
    assert TIME_LIMIT_SECONDS <= 0.1
    with pytest.raises(BadPattern, match="too long"):
        search(r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000)


@pytest.mark.parametrize("pattern", ["(?:" * 1200 + "a" + ")" * 1200, "a|" * MOST_SIGNS])
def test_a_monstrous_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        search(pattern, "a")


def test_all_patterns_of_a_node_share_their_time() -> None:
    slow, texts = r"^(([a-z])+.)+[A-Z]([a-z])+$", ["a" * 5000] * 1000
    refused: list[str] = []
    with Budget(0.2):
        for text in texts:
            with pytest.raises(BadPattern) as error:
                search(slow, text)
            refused.append(str(error.value))
    assert sum("on this text" in message for message in refused) <= 3
    assert "together" in refused[-1]
    assert search("a", "a")

"""JavaScript's regular expressions: what authors write must mean what they mean."""

import pytest

from engine_service.values.patterns import TIME_LIMIT_SECONDS, BadPattern, search


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


@pytest.mark.parametrize("pattern", ["(", "[", "a{2,1}", "(?<a", "*", r"\p{Nonsense}"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern, match="malformed"):
        search(pattern, "text")


def test_a_pattern_that_backtracks_without_end_is_stopped() -> None:
    assert TIME_LIMIT_SECONDS <= 0.1
    with pytest.raises(BadPattern, match="too long"):
        search(r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000)

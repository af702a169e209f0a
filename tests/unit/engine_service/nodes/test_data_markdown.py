"""`data.markdown`: both ways, and documents that mean harm."""

from typing import Any

import pytest

from engine_service.nodes.data_markdown import DataMarkdown
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def converted(mode: str, text: str, **more: Any) -> str:
    parameters: JsonObject = {"mode": mode, "text": text, **more}
    found = jsons(run_pure(DataMarkdown, given(DataMarkdown, parameters, items({"kept": 1}))))
    assert found[0]["kept"] == 1
    return found[0]["data"]


@pytest.mark.parametrize(
    ("markdown", "options", "html"),
    [
        ("# A *b*\n\nc", {}, "<h1>A <em>b</em></h1>\n<p>c</p>"),
        ("# A b\n# A b", {"heading_ids": True}, '<h1 id="ab">A b</h1>\n<h1 id="ab-1">A b</h1>'),
        ("# a", {"heading_level": 3}, "<h3>a</h3>"),
        ("- a\n- b", {}, "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("a\nb", {"line_breaks": True}, "<p>a<br />\nb</p>"),
        ("~~a~~", {}, "<p><del>a</del></p>"),
        ("~~a~~", {"strikethrough": False}, "<p>~~a~~</p>"),
        ("[a](http://b)", {"new_window": True},
         '<p><a href="http://b" rel="noopener noreferrer" target="_blank">a</a></p>'),
        ("|a|\n|-|\n|1|", {"tables": False}, "<p>|a|\n|-|\n|1|</p>"),
        ("[a](javascript:b)", {}, "<p>[a](javascript:b)</p>"),
    ],
)  # fmt: skip
def test_markdown_becomes_html(markdown: str, options: JsonObject, html: str) -> None:
    assert converted("to_html", markdown, **options) == html


@pytest.mark.parametrize(
    ("html", "options", "markdown"),
    [
        ("<h2>A</h2><p>b <strong>c</strong> <i>d</i></p>", {}, "## A\n\nb **c** _d_"),
        ("<b>c</b> <em>d</em>", {"strong": "__", "emphasis": "*"}, "__c__ *d*"),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", {"bullet": "-"}, "- a\n  - b"),
        ("<ol><li>a</li><li>b</li></ol>", {}, "1. a\n2. b"),
        ("<a href='http://x'>y</a>", {}, "[y](http://x)"),
        ("<pre><code class='language-js'>a\n</code></pre>", {"fence": "~~~"}, "~~~js\na\n~~~"),
        ("<nav>a<nav>b</nav></nav><p>c</p>", {"ignore": ["nav"]}, "c"),
        ("<img src='data:x' alt=a><img src=b alt=c>", {}, "![c](b)"),
        ("<img src='data:x' alt=a>", {"keep_data_images": True}, "![a](data:x)"),
        ("<table><tr><th>A</th></tr><tr><td>1</td></tr></table>", {}, "| A |\n| --- |\n| 1 |"),
        ("a_b*c", {}, r"a\_b\*c"),
    ],
)
def test_html_becomes_markdown(html: str, options: JsonObject, markdown: str) -> None:
    assert converted("to_markdown", html, **options) == markdown


def test_unclosed_paragraphs_are_no_deep_nesting() -> None:
    assert converted("to_markdown", "<p>x" * 500).count("x") == 500


@pytest.mark.parametrize(
    ("mode", "text"), [("to_markdown", "<div>" * 900), ("to_html", "a" * 200_001)]
)
def test_what_is_too_deep_or_too_long_fails_its_item(mode: str, text: str) -> None:
    outcome = run_pure(DataMarkdown, given(DataMarkdown, {"mode": mode, "text": text}))
    assert isinstance(outcome, Done)
    assert [failure.code for failure in outcome.failures] == ["bad_html"]

"""`data.html`: what selectors find, what is made of it, templates and tables."""

from typing import Any

import pytest

from engine_service.nodes.data_html import DataHtml
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure

PAGE = """<html><head><title>T</title></head><body><h1> Big
 <b>news</b></h1><p class=x>One</p><p class=x>Two &amp; a half</p>
<a href="/1">first</a><a>second</a><input value=v><textarea>w</textarea>
<select><option value=1>a</option><option value=2 selected>b</option></select></body></html>"""


def extracted(selector: str, page: Any = PAGE, **more: Any) -> Any:
    options = {name: more.pop(name) for name in ("trim", "clean") if name in more}
    value = {"to": "v", "selector": selector, **more}
    what = given(DataHtml, {"values": [value], **options}, items({"data": page}))
    return jsons(run_pure(DataHtml, what))[0].get("v", "nothing")


def test_texts_are_found() -> None:
    assert extracted("h1") == "Big\n news"
    assert extracted("h1", clean=True) == "Big news"
    assert extracted("h1", trim=False) == " Big\n news"
    assert extracted("p.x") == "OneTwo & a half"
    assert extracted("p.x", all=True) == ["One", "Two & a half"]
    assert extracted("p.none") == "nothing"
    assert extracted("p.none", all=True) == []


def test_html_attributes_and_values_are_found() -> None:
    assert extracted("h1", take="html") == "Big\n <b>news</b>"
    assert extracted("a", take="attribute", attribute="href") == "/1"
    assert extracted("a", take="attribute", attribute="href", all=True) == ["/1", None]
    assert extracted("input, textarea, select", take="value", all=True) == ["v", "w", "2"]


def test_text_can_be_what_a_person_reads() -> None:
    page = (
        "<div><h1>Hi</h1><p>One\n two <a href='http://x'>three</a><br>four</p><nav>no</nav>"
        "<ul><li>a<li>b</ul><ol start=3><li>c</ol><img src=q alt=z><script>no</script></div>"
    )
    assert extracted("div", page, take="readable", skip="nav") == (
        "Hi\n\nOne two three [http://x]\nfour\n\n* a\n* b\n\n3. c\n\nz [q]"
    )


def test_a_list_of_documents_gives_an_item_each() -> None:
    parameters = {"values": [{"to": "v", "selector": "b"}]}
    what = given(DataHtml, parameters, items({"data": ["<b>1</b>", "<b>2</b>"]}))
    assert jsons(run_pure(DataHtml, what)) == [{"v": "1"}, {"v": "2"}]


@pytest.mark.parametrize(
    ("page", "selector"),
    [("<b>" * 20_000, "b"), ("<p>", "p["), ("<p>", ""), (None, "p")],
)
def test_what_cannot_be_read_fails_its_item(page: Any, selector: str) -> None:
    fields: JsonObject = {} if page is None else {"data": page}
    parameters = {"values": [{"to": "v", "selector": selector or ">>"}]}
    outcome = run_pure(DataHtml, given(DataHtml, parameters, items(fields)))
    assert isinstance(outcome, Done)
    assert [failure.code for failure in outcome.failures] == ["bad_html"]


def test_many_unclosed_entries_are_no_deep_nesting() -> None:
    assert len(extracted("li", "<ul>" + "<li>x" * 5_000, all=True)) == 5_000


def test_a_template_is_put_into_a_field() -> None:
    what = given(DataHtml, {"operation": "template", "html": "<b>1</b>"}, items({"a": 1}))
    assert jsons(run_pure(DataHtml, what)) == [{"html": "<b>1</b>"}]


def test_a_table_has_a_column_for_each_field_and_escapes_values() -> None:
    parameters = {
        "operation": "table", "to": "t", "caption": "C&D", "capitalize": True,
        "attributes": {"table": 'class="w"'},
    }  # fmt: skip
    what = given(DataHtml, parameters, items({"a": "<x>", "b": True}, {"c": [1]}))
    assert jsons(run_pure(DataHtml, what)) == [
        {
            "t": '<table class="w"><caption>C&amp;D</caption><thead><tr><th>A</th><th>B</th>'
            "<th>C</th></tr></thead><tbody><tr><td>&lt;x&gt;</td>"
            '<td><input type="checkbox" disabled checked/></td><td></td></tr>'
            "<tr><td></td><td></td><td>[1]</td></tr></tbody></table>"
        }
    ]

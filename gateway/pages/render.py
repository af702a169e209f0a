"""How a page is made: a template, escaped; one style; a policy that lets nothing else in.

A page may load nothing, run nothing but a script of ours whose digest the policy names, and send
its form nowhere but back. It is never kept, framed or indexed, and tells nobody where it came from.
"""

import base64
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import markdown_it
from markupsafe import Markup
from starlette.responses import HTMLResponse

_HERE = Path(__file__).parent
_STYLE = (_HERE / "style.css").read_text(encoding="utf-8")


@cache
def _templates() -> "jinja2.Environment":
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _markdown() -> "markdown_it.MarkdownIt":
    return markdown_it.MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")


def digest_of(text: str) -> str:
    """How a policy names a style or script that stands in a page."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; style-src {digest_of(_STYLE)}; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def page(
    template: str, title: str, status: int = 200, *, policy: str = "", **values: Any
) -> HTMLResponse:
    """A page; `policy` holds further directives, for what it may do besides."""
    known = {"lang": "en", "style": Markup(_STYLE), "title": title, "faulty": status >= 400}
    html = _templates().get_template(template).render({**known, **values})
    headers = {
        "Content-Security-Policy": f"{_POLICY}; {policy}" if policy else _POLICY,
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(html, status, headers)


def notice(title: str, *lines: str, status: int = 200) -> HTMLResponse:
    """A page that only says something."""
    return page("notice.html", title, status, lines=lines)


def markdown(text: str) -> Markup:
    """Markdown as HTML: what is HTML in it is shown as it is written, and links lead to the web."""
    return Markup(_markdown().render(text))

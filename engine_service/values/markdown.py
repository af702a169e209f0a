"""Markdown and HTML, each as the other."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdownify import MarkdownConverter

from engine_service.values.markup import BadMarkup, tidy_html

MOST_LEVELS = 150
MOST_CHARACTERS = 200_000
_NOT_WORD = re.compile(r"[^A-Za-z0-9_]")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class HtmlWriting:
    """How Markdown becomes HTML.

    Attributes:
        heading_ids: Headings get ids made of their words.
        heading_level: What `#` is: 1 for `<h1>`.
        line_breaks: A single line break is one in HTML, too.
        tables, strikethrough: Whether these are known.
        link_addresses: Bare addresses become links.
        new_window: Links open in a new window.
    """

    heading_ids: bool = True
    heading_level: int = 1
    line_breaks: bool = False
    tables: bool = True
    strikethrough: bool = True
    link_addresses: bool = False
    new_window: bool = False

    def write(self, markdown: str) -> str:
        """The Markdown as HTML.

        Raises:
            BadMarkup: It is too large.
        """
        if len(markdown) > MOST_CHARACTERS:
            count = len(markdown)
            raise BadMarkup(f"the Markdown has {count} signs; {MOST_CHARACTERS} are the most")
        reader = MarkdownIt("commonmark", {"breaks": self.line_breaks, "xhtmlOut": True})
        extras = {"table": self.tables, "strikethrough": self.strikethrough}
        reader.enable([name for name, wanted in extras.items() if wanted])
        tokens = reader.parse(markdown)
        self._number_headings(tokens)
        for token in tokens:
            self._mend(token.children or [])
        renderer: Any = reader.renderer
        assert isinstance(renderer, RendererHTML)
        return renderer.render(tokens, reader.options, {}).strip("\n")

    def _number_headings(self, tokens: Sequence[Token]) -> None:
        taken: Counter[str] = Counter()
        for place, token in enumerate(tokens):
            if token.type not in ("heading_open", "heading_close"):
                continue
            token.tag = f"h{min(6, int(token.tag[1:]) + self.heading_level - 1)}"
            if token.type == "heading_open" and self.heading_ids:
                words = _NOT_WORD.sub("", _plain(tokens[place + 1])).lower()
                number, taken[words] = taken[words], taken[words] + 1
                token.attrSet("id", f"{words}-{number}" if number else words)

    def _mend(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if token.type == "link_open" and self.new_window:
                token.attrSet("rel", "noopener noreferrer")
                token.attrSet("target", "_blank")
            elif token.tag == "s":
                token.tag = "del"


def _plain(inline: Token) -> str:
    return "".join(each.content for each in inline.children or ())


@dataclass(frozen=True, slots=True)
class MarkdownWriting:
    """How HTML becomes Markdown.

    Attributes:
        bullet: What stands before an entry of a list.
        emphasis, strong: What stands around words.
        fence: What stands around code.
        ignored: Elements that are left out.
        keep_data_images: Images that are inside the document stay.
    """

    bullet: str = "*"
    emphasis: str = "_"
    strong: str = "**"
    fence: str = "```"
    ignored: Sequence[str] = ()
    keep_data_images: bool = False

    def write(self, html: str) -> str:
        """The HTML as Markdown.

        Raises:
            BadMarkup: It is too large or nested too deeply.
        """
        converted = _Converter(self).convert(tidy_html(html, MOST_LEVELS, self.ignored))
        return _BLANK_LINES.sub("\n\n", converted).strip()


class _Converter(MarkdownConverter):
    """What writes each element."""

    def __init__(self, how: MarkdownWriting) -> None:
        super().__init__(heading_style="atx", bullets=how.bullet, bs4_options="html.parser")
        self._how = how

    def convert_em(self, _: Any, text: str, parent_tags: set[str]) -> str:
        return self._marked(text, self._how.emphasis, parent_tags)

    def convert_strong(self, _: Any, text: str, parent_tags: set[str]) -> str:
        return self._marked(text, self._how.strong, parent_tags)

    convert_i = convert_em
    convert_b = convert_strong

    def convert_pre(self, el: Any, text: str, **_: Any) -> str:
        if not text:
            return ""
        fence = self._how.fence
        return f"\n\n{fence}{_language(el)}\n{text.strip(chr(10))}\n{fence}\n\n"

    def convert_img(self, el: Any, *_: Any, **__: Any) -> str:
        source = str(el.attrs.get("src") or "")
        if not source or (source.startswith("data:") and not self._how.keep_data_images):
            return ""
        title = str(el.attrs.get("title") or "").replace('"', r"\"")
        quoted = f' "{title}"' if title else ""
        return f"![{el.attrs.get('alt') or ''}]({source}{quoted})"

    @staticmethod
    def _marked(text: str, mark: str, parent_tags: set[str]) -> str:
        words = text.strip()
        if not words or "_noformat" in parent_tags:
            return text
        before = text[: len(text) - len(text.lstrip())]
        after = text[len(text.rstrip()) :]
        return f"{before}{mark}{words}{mark}{after}"


def _language(element: Any) -> str:
    """The language of a block of code, as its class names it."""
    code = element.find("code") or element
    names: list[str] = code.attrs.get("class") or []
    found = (name.removeprefix("language-") for name in names if name.startswith("language-"))
    return next(found, "")

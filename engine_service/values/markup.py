"""Reads HTML from anywhere: what CSS selectors find, and what a person would read of it.

Parsing follows the HTML standard, as browsers do. Documents that are very large or nested without
end are refused, since reading them would hold up every run in the process.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

MOST_CHARACTERS = 10_000_000
MOST_LEVELS = 1_000
_TAG = re.compile(r"<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*)")
# Elements that have no end.
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
))  # fmt: skip
# Elements whose end is understood where the next one begins.
_OPEN = frozenset((
    "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup",
    "colgroup", "rp", "rt",
))  # fmt: skip
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "tfoot", "thead", "tr", "ul",
))  # fmt: skip
_PARAGRAPHS = frozenset(
    ("blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul")
)
_UNREAD = frozenset(("head", "noscript", "script", "style", "template", "title"))
_SPACES = re.compile(r"[ \t\n\r\f]+")


class BadMarkup(ValueError):
    """The document is too large, nested too deeply, or a selector is malformed."""


def parse_html(text: str) -> LexborHTMLParser:
    """A document.

    Raises:
        BadMarkup: It is too large or nested too deeply.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadMarkup(f"the document has {len(text)} signs; {MOST_CHARACTERS} are the most")
    _check_depth(text, _VOID | _OPEN, MOST_LEVELS)
    return LexborHTMLParser(text)


def tidy_html(text: str, levels: int, dropped: Sequence[str] = ()) -> str:
    """The body of a document with every element closed where it ends; some elements dropped.

    Raises:
        BadMarkup: It is too large, or nested more than so many levels deep.
    """
    document = parse_html(text)
    if dropped:
        document.strip_tags(list(dropped), recursive=True)
    body = document.body
    tidy = "" if body is None else inner_html(body)
    _check_depth(tidy, _VOID, levels)
    return tidy


def _check_depth(text: str, uncounted: frozenset[str], most: int) -> None:
    level = 0
    for tag in _TAG.finditer(text):
        if tag["name"].lower() in uncounted:
            continue
        level = max(0, level - 1) if tag["close"] else level + 1
        if level > most:
            raise BadMarkup(f"elements are nested more than {most} deep")


def select(document: LexborHTMLParser, selector: str) -> Sequence[LexborNode]:
    """The elements that a CSS selector finds, in the order of the document.

    Raises:
        BadMarkup: The selector is malformed.
    """
    try:
        return document.css(selector)
    except (SelectolaxError, ValueError) as error:
        raise BadMarkup(f"{selector[:80]!r} is no CSS selector") from error


def text_of(element: LexborNode) -> str:
    """All text in an element, as it is written."""
    return element.text(deep=True)


def inner_html(element: LexborNode) -> str:
    """The HTML inside an element."""
    return element.inner_html or ""


def form_value(element: LexborNode) -> str | None:
    """What a form's field holds."""
    if element.tag == "textarea":
        return text_of(element)
    if element.tag == "select":
        options = element.css("option")
        chosen = next((each for each in options if "selected" in each.attributes), None)
        first = chosen or (options[0] if options else None)
        return None if first is None else first.attributes.get("value") or text_of(first)
    return element.attributes.get("value")


@dataclass(slots=True)
class _Lines:
    """Text that is being laid out."""

    parts: list[str] = field(default_factory=list[str])

    def break_line(self, count: int) -> None:
        """End the line, and leave lines free so that `count` breaks stand there."""
        self._strip()
        if not self.parts:
            return
        there = 0
        while there < len(self.parts) and self.parts[-1 - there] == "\n":
            there += 1
        self.parts.extend("\n" * (count - there))

    def add(self, text: str) -> None:
        words = _SPACES.sub(" ", text)
        if not self.parts or self.parts[-1] == "\n" or self.parts[-1].endswith(" "):
            words = words.lstrip(" ")
        if words:
            self.parts.append(words)

    def keep(self, text: str) -> None:
        if text:
            self.parts.append(text)

    def _strip(self) -> None:
        while self.parts and self.parts[-1] != "\n" and not self.parts[-1].rstrip(" "):
            self.parts.pop()
        if self.parts and self.parts[-1] != "\n":
            self.parts[-1] = self.parts[-1].rstrip(" ")


def readable_text(element: LexborNode, unread: Sequence[LexborNode] = ()) -> str:
    """What a person reads of an element: lines and paragraphs, marks of lists, targets of links."""
    skipped = {each.mem_id for each in unread}
    lines, numbers = _Lines(), dict[int, int]()
    for step, node in _walk(element, skipped):
        tag = node.tag or ""
        if tag == "-text":
            (lines.keep if _is_preformatted(node) else lines.add)(node.text_content or "")
        elif tag == "br" and step == "start":
            lines.break_line(1)
        elif tag == "img" and step == "start":
            source = node.attributes.get("src")
            lines.add(" ".join(filter(None, (node.attributes.get("alt"), f"[{source}]"))))
        elif tag == "a" and step == "end":
            _add_target(lines, node)
        elif tag in _BLOCKS:
            lines.break_line(2 if tag in _PARAGRAPHS else 1)
            if tag == "ol" and step == "start":
                numbers.update(_numbers(node))
            if tag == "li" and step == "start":
                number = numbers.get(node.mem_id)
                lines.add("* " if number is None else f"{number}. ")
    lines.break_line(0)
    return "".join(lines.parts).strip("\n")


def _walk(element: LexborNode, skipped: set[int]) -> Iterator[tuple[str, LexborNode]]:
    """Every node inside, at its start and at its end; without recursion, as nesting may be deep."""
    stack: list[tuple[str, LexborNode]] = [("start", element)]
    while stack:
        step, node = stack.pop()
        if step == "start" and (node.mem_id in skipped or (node.tag or "") in _UNREAD):
            continue
        yield step, node
        if step == "end" or node.tag == "-text":
            continue
        stack.append(("end", node))
        children = list(node.iter(include_text=True))
        stack.extend(("start", child) for child in reversed(children))


def _is_preformatted(node: LexborNode) -> bool:
    return node.parent is not None and node.parent.tag in ("pre", "textarea")


def _add_target(lines: _Lines, link: LexborNode) -> None:
    target = link.attributes.get("href")
    if target and target != (link.text(deep=True) or "").strip():
        lines.add(f" [{target.removeprefix('mailto:')}]")


def _numbers(numbered: LexborNode) -> dict[int, int]:
    """The numbers of a numbered list's entries."""
    start = numbered.attributes.get("start") or "1"
    first = int(start) if start.isdecimal() and len(start) < 10 else 1
    entries = (each for each in numbered.iter() if each.tag == "li")
    return {entry.mem_id: number for number, entry in enumerate(entries, first)}

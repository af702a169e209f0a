"""`data.html`: takes values out of HTML, or writes HTML."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from selectolax.lexbor import LexborHTMLParser, LexborNode

from engine_service.sdk.node import (
    MAIN,
    Done,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values import markup
from engine_service.values.field_types import to_text
from engine_service.values.fields import FieldNames
from engine_service.values.markup import BadMarkup
from engine_service.values.origins import pairs_of
from shared.workflow import Item, JsonObject

_LINE_BREAKS = re.compile(r"\r\n|\n|\r")
_SPACES = re.compile(r"\s+")


class Extraction(BaseModel):
    """A value to take out."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, description="The field for the value")
    selector: str = Field(
        min_length=1, max_length=2_000, description="A CSS selector: `h1`, `.price`, `#main a`"
    )
    take: Literal["text", "readable", "html", "attribute", "value"] = Field(
        default="text",
        description="What of the elements: their text, text with lines and links as a person "
        "reads it, the HTML inside, an attribute, or a form field's value",
    )
    attribute: str = Field(
        default="", max_length=200, description="For take attribute: its name, such as `href`"
    )
    skip: str = Field(
        default="",
        max_length=2_000,
        description="For readable: a selector of what to leave out",
    )
    all: bool = Field(
        default=False, description="Whether to make a list of all that is found, not one value"
    )


class HtmlParameters(NodeParameters):
    """What to do with which HTML."""

    operation: Literal["extract", "template", "table"] = Field(
        default="extract",
        description="`extract` takes values out of HTML, `template` fills one, `table` makes one "
        "table of all items",
    )
    field: str = Field(
        default="data",
        min_length=1,
        description="For extract: the field that holds the HTML, or a list of such texts",
    )
    values: list[Extraction] = Field(
        default_factory=list[Extraction], max_length=200, description="For extract: the values"
    )
    trim: bool = Field(
        default=True, description="For extract: whether texts lose the spaces around them"
    )
    clean: bool = Field(
        default=False,
        description="For extract: whether line breaks go and several spaces become one",
    )
    html: str = Field(
        default="",
        max_length=1_000_000,
        description="For template: the HTML, with expressions inside",
    )
    to: str = Field(default="html", min_length=1, description="For template and table: the field")
    caption: str = Field(default="", max_length=2_000, description="For table: its caption")
    capitalize: bool = Field(
        default=False, description="For table: whether headings begin with a capital letter"
    )
    style: Literal["default", "none"] = Field(
        default="none", description="For table: whether it brings a plain style of its own"
    )
    attributes: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="For table: attributes by element (`table`, `caption`, `thead`, `tr`, `th`, "
        '`td`), each as it stands in HTML: `class="wide"`',
    )


class DataHtml(PureNode[HtmlParameters]):
    """Takes values out of HTML with CSS selectors, fills an HTML template, or makes a table.

    - `extract` reads the HTML in `field`, as browsers do, and finds elements by CSS selectors.
      Each of `values` becomes a field: a text, an attribute, inner HTML. Without `all` the texts
      of everything found are one text, and the first element gives its attribute or HTML.
      Elements that are not found leave their field out.
    - `template` puts HTML with its expressions filled into `to`. What expressions give is not
      escaped.
    - `table` makes one item with an HTML table of all items: a column for each field. Values are
      escaped.
    """

    Parameters = HtmlParameters
    type = "data.html"
    title = "HTML"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "field": "text",
            "values": [
                {"to": "title", "selector": "h1"},
                {"to": "links", "selector": "a", "take": "attribute", "attribute": "href",
                 "all": True},
            ],
        },
        {"operation": "template", "html": "<p>Hello {{ $json.name }}</p>"},
        {"operation": "table", "caption": "Customers", "capitalize": True},
    )  # fmt: skip
    keywords = (
        "html", "scrape", "extract html", "css selector", "web page", "template", "html table",
        "parse html", "网页", "提取网页内容", "抓取", "HTML模板",
    )  # fmt: skip

    def run(self, given: NodeInput[HtmlParameters]) -> Outcome:
        if given.items and given.parameters_for(0).operation == "table":
            return Done({MAIN: [_table(given.items, given.parameters_for(0))]})
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            parameters = given.parameters_for(index)
            if parameters.operation == "template":
                made.append({"json": {parameters.to: parameters.html}, "paired_item": index})
                continue
            try:
                found = _extracted(item["json"], parameters)
                made.extend({"json": fields, "paired_item": index} for fields in found)
            except BadMarkup as error:
                failures.append(ItemFailure(index, "bad_html", str(error)))
        return Done({MAIN: made}, failures)

    @classmethod
    def check(cls, parameters: HtmlParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation == "extract" and not parameters.values:
            return [("/values", "missing", "Say which values to take out.")]
        return [
            (f"/values/{place}/attribute", "missing", "Say which attribute to take.")
            for place, each in enumerate(parameters.values)
            if each.take == "attribute" and not each.attribute
        ]


# --- extracting


def _extracted(fields: JsonObject, parameters: HtmlParameters) -> list[JsonObject]:
    found, value = FieldNames().find(fields, parameters.field)
    if not found:
        raise BadMarkup(f"the item has no field {parameters.field}")
    texts = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [_values(markup.parse_html(_as_text(each)), parameters) for each in texts]


def _as_text(value: Any) -> str:
    return "" if value is None else to_text(value)


def _values(document: LexborHTMLParser, parameters: HtmlParameters) -> JsonObject:
    made: JsonObject = {}
    for each in parameters.values:
        elements = markup.select(document, each.selector)
        taken = [_taken(element, each, document) for element in elements]
        cleaned = [_cleaned(value, parameters) for value in taken]
        if each.all:
            made[each.to] = cleaned
        elif each.take == "text" and taken:
            joined = "".join(value for value in taken if value is not None)
            made[each.to] = _cleaned(joined, parameters)
        elif cleaned and cleaned[0] is not None:
            made[each.to] = cleaned[0]
    return made


def _taken(element: LexborNode, each: Extraction, document: LexborHTMLParser) -> str | None:
    match each.take:
        case "attribute":
            return element.attributes.get(each.attribute)
        case "readable":
            unread = markup.select(document, each.skip) if each.skip else ()
            return markup.readable_text(element, unread)
        case _:
            return _TAKE[each.take](element)


_TAKE: Mapping[str, Callable[[LexborNode], str | None]] = {
    "text": markup.text_of,
    "html": markup.inner_html,
    "value": markup.form_value,
}


def _cleaned(value: str | None, parameters: HtmlParameters) -> str | None:
    if value is None:
        return None
    if parameters.trim:
        value = value.strip()
    if parameters.clean:
        value = _SPACES.sub(" ", _LINE_BREAKS.sub("", value.strip()))
    return value


# --- tables

_STYLES = {
    "table": 'style="border-spacing:0; font-family:helvetica,arial,sans-serif"',
    "caption": 'style="caption-side:bottom; padding:8px; text-align:center"',
    "th": 'style="background:#eee; padding:8px; text-align:left"',
    "td": 'style="border-top:1px solid #ddd; padding:8px"',
}


def _table(items: list[Item], parameters: HtmlParameters) -> Item:
    styles = _STYLES if parameters.style == "default" else {}

    def start(element: str) -> str:
        given = parameters.attributes.get(element, "").strip()
        return f"<{' '.join(filter(None, (element, styles.get(element, ''), given)))}>"

    columns = list(dict.fromkeys(name for item in items for name in item["json"]))
    head = "".join(f"{start('th')}{escape(_heading(n, parameters))}</th>" for n in columns)
    caption = f"{start('caption')}{escape(parameters.caption)}</caption>"
    cell, row = start("td"), start("tr")
    rows = [
        row + "".join(f"{cell}{_cell(item['json'].get(name))}</td>" for name in columns) + "</tr>"
        for item in items
    ]
    html = (
        f"{start('table')}{caption if parameters.caption else ''}"
        f"{start('thead')}{row}{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    return {"json": {parameters.to: html}, "paired_item": pairs_of(range(len(items)))}


def _heading(name: str, parameters: HtmlParameters) -> str:
    return name[:1].upper() + name[1:] if parameters.capitalize else name


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f'<input type="checkbox" disabled{" checked" if value else ""}/>'
    return escape(_as_text(value))

"""`data.markdown`: turns HTML into Markdown, and Markdown into HTML."""

from typing import ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values import markdown
from engine_service.values.fields import FieldNames
from engine_service.values.markup import BadMarkup
from shared.workflow import Item, JsonObject

_MOST = 1_000_000


class MarkdownParameters(NodeParameters):
    """What to convert, and how."""

    mode: Literal["to_html", "to_markdown"] = Field(default="to_html", description="What comes out")
    text: str = Field(
        default="", max_length=_MOST, description="The Markdown or HTML, usually an expression"
    )
    to: str = Field(default="data", min_length=1, description="The field for the result")
    heading_ids: bool = Field(
        default=False, description="For to_html: whether headings get ids made of their words"
    )
    heading_level: int = Field(
        default=1, ge=1, le=6, description="For to_html: which heading `#` becomes; 2 for `<h2>`"
    )
    line_breaks: bool = Field(
        default=False, description="For to_html: whether a single line break is one"
    )
    tables: bool = Field(default=True, description="For to_html: whether tables are known")
    strikethrough: bool = Field(
        default=True, description="For to_html: whether `~~` strikes through"
    )
    new_window: bool = Field(
        default=False, description="For to_html: whether links open in a new window"
    )
    document: bool = Field(
        default=False, description="For to_html: whether to write a whole document with a head"
    )
    bullet: Literal["*", "-", "+"] = Field(
        default="*", description="For to_markdown: what begins an entry of a list"
    )
    emphasis: Literal["_", "*"] = Field(
        default="_", description="For to_markdown: what stands around emphasized words"
    )
    strong: Literal["**", "__"] = Field(
        default="**", description="For to_markdown: what stands around strong words"
    )
    fence: Literal["```", "~~~"] = Field(
        default="```", description="For to_markdown: what stands around code"
    )
    ignore: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="For to_markdown: elements to leave out, such as `nav`",
    )
    keep_data_images: bool = Field(
        default=False, description="For to_markdown: whether images inside the document stay"
    )


class DataMarkdown(PureNode[MarkdownParameters]):
    """Turns Markdown into HTML, for mails and pages, or HTML into Markdown, for chats and models.

    Markdown is CommonMark with tables and strikethrough. HTML inside Markdown stays as it is, so
    do not show what strangers wrote. The result goes to the field `to`; other fields stay.
    """

    Parameters = MarkdownParameters
    type = "data.markdown"
    title = "Markdown"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"text": "# Hello {{ $json.name }}\n\n{{ $json.text }}", "to": "html"},
        {"mode": "to_markdown", "text": "<p>{{ $json.text }}</p>", "ignore": ["nav"]},
    )
    keywords = (
        "markdown", "markdown to html", "html to markdown", "md", "convert text", "rich text",
        "Markdown转换", "转Markdown", "格式化文本",
    )  # fmt: skip

    def run(self, given: NodeInput[MarkdownParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            parameters = given.parameters_for(index)
            try:
                fields = dict(item["json"])
                FieldNames().put(fields, parameters.to, _converted(parameters))
                made.append({**item, "json": fields, "paired_item": index})
            except BadMarkup as error:
                failures.append(ItemFailure(index, "bad_html", str(error)))
        return Done({MAIN: made}, failures)


def _converted(parameters: MarkdownParameters) -> str:
    if parameters.mode == "to_markdown":
        return markdown.MarkdownWriting(
            bullet=parameters.bullet,
            emphasis=parameters.emphasis,
            strong=parameters.strong,
            fence=parameters.fence,
            ignored=parameters.ignore,
            keep_data_images=parameters.keep_data_images,
        ).write(parameters.text)
    html = markdown.HtmlWriting(
        heading_ids=parameters.heading_ids,
        heading_level=parameters.heading_level,
        line_breaks=parameters.line_breaks,
        tables=parameters.tables,
        strikethrough=parameters.strikethrough,
        new_window=parameters.new_window,
    ).write(parameters.text)
    if not parameters.document:
        return html
    head = '<!DOCTYPE HTML>\n<html>\n<head>\n<meta charset="utf-8">\n</head>\n<body>\n'
    return f"{head}{html}\n</body>\n</html>"

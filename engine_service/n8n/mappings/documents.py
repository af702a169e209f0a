"""Nodes that read and write documents: XML, HTML and Markdown."""

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject


def _xml(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    names: JsonObject = {
        "field": fields.text("dataPropertyName", "data") or "data",
        "attributes_field": options.text("attrkey", "$"),
        "text_field": options.text("charkey", "_"),
    }
    if fields.fixed("mode", "xmlToJson") == "jsonToxml":
        options.ignore("allowSurrogateChars")
        root = options.text("rootName", "root") or "root"
        header = not options.flag("headless")
        cdata = options.flag("cdata")
        made: JsonObject = {"root": root, "header": header, "cdata": cdata}
        return Mapped("data.xml", {"mode": "write", **names, **made})
    return Mapped("data.xml", {"mode": "read", **names, **_reading(options)})


def _reading(options: Fields) -> JsonObject:
    return {
        "merge_attributes": options.flag("mergeAttrs", True),
        "ignore_attributes": options.flag("ignoreAttrs"),
        "always_lists": options.flag("explicitArray"),
        "include_root": options.flag("explicitRoot", True),
        "trim": options.flag("trim"),
        "collapse_spaces": options.flag("normalize"),
        "lower_names": options.flag("normalizeTags"),
    }


# --- HTML


_TAKEN = {"text": "text", "html": "html", "attribute": "attribute", "value": "value"}
_ELEMENTS = {
    "tableAttributes": "table", "captionAttributes": "caption", "headerAttributes": "th",
    "rowAttributes": "tr", "cellAttributes": "td",
}  # fmt: skip


def _html(node: SourceNode) -> Mapped:
    match node.fields.fixed("operation", "generateHtmlTemplate"):
        case "generateHtmlTemplate":
            # Braces hold expressions in it, whether or not it begins with "=".
            html = str(node.fields.verbatim("html", "")).removeprefix("=")
            return Mapped("data.html", {"operation": "template", "html": html})
        case "extractHtmlContent":
            return _extract(node, readable=node.version >= 1.2)
        case "convertToHtmlTable":
            return _table(node.fields.section("options"))
        case operation:
            raise CannotMap(f"There is no counterpart of the operation {operation!r}.")


def _extract(node: SourceNode, *, readable: bool = False) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    if fields.fixed("sourceData", "json") != "json":
        raise CannotMap("It reads a file, which data.html does not.")
    values: list[JsonObject] = []
    for row in fields.rows("extractionValues", "values"):
        take = row.choice("returnValue", _TAKEN, "text")
        value: JsonObject = {"to": row.text("key"), "selector": row.text("cssSelector")}
        value["take"] = "readable" if take == "text" and readable else take
        attribute, skipped = row.text("attribute"), row.text("skipSelectors")
        if take == "attribute":
            value["attribute"] = attribute
        if skipped:
            value["skip"] = skipped
        value["all"] = row.flag("returnArray")
        values.append(value)
    if any(value["take"] == "readable" for value in values):
        fields.differ("Texts are not broken into lines of 80 signs, nor headings capitalized.")
    made: JsonObject = {
        "field": fields.text("dataPropertyName", "data"),
        "values": values,
        "trim": options.flag("trimValues"),
        "clean": options.flag("cleanUpText"),
    }
    return Mapped("data.html", made)


def _table(options: Fields) -> Mapped:
    made: JsonObject = {"operation": "table", "to": "table"}
    if not options.flag("customStyling"):
        options.differ("The table looks otherwise.")
        made["style"] = "default"
    made["capitalize"] = options.flag("capitalize")
    if caption := options.text("caption"):
        made["caption"] = caption
    written = {element: options.text(name) for name, element in _ELEMENTS.items()}
    if attributes := {element: text for element, text in written.items() if text}:
        made["attributes"] = attributes
    return Mapped("data.html", made)


# --- Markdown


def _markdown(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    made: JsonObject = {"to": fields.text("destinationKey", "data")}
    if fields.fixed("mode", "htmlToMarkdown") == "markdownToHtml":
        fields.ignore("html")
        options.ignore("ghCodeBlocks", "encodeEmails", "smoothLivePreview")
        made.update(mode="to_html", text=fields.text("markdown"), **_to_html(options))
        return Mapped("data.markdown", made)
    fields.ignore("markdown")
    made.update(mode="to_markdown", text=fields.text("html"))
    names = {
        "bulletMarker": "bullet", "emDelimiter": "emphasis", "strongDelimiter": "strong",
        "codeFence": "fence",
    }  # fmt: skip
    for theirs, ours in names.items():
        if options.has(theirs):
            made[ours] = options.text(theirs)
    ignored = [name.strip() for name in options.text("ignore").split(",") if name.strip()]
    if ignored:
        made["ignore"] = ignored
    if options.flag("keepDataImages"):
        made["keep_data_images"] = True
    return Mapped("data.markdown", made)


def _to_html(options: Fields) -> JsonObject:
    return {
        "heading_ids": not options.flag("noHeaderId"),
        "heading_level": int(options.number("headerLevelStart", 1)),
        "line_breaks": options.flag("simpleLineBreaks"),
        "tables": options.flag("tables"),
        "strikethrough": options.flag("strikethrough"),
        "new_window": options.flag("openLinksInNewWindow"),
        "document": options.flag("completeHTMLDocument"),
    }


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.xml",), _xml),
    NodeMapping(("n8n-nodes-base.html",), _html),
    NodeMapping(("n8n-nodes-base.htmlExtract",), _extract),
    NodeMapping(("n8n-nodes-base.markdown",), _markdown),
)

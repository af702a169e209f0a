"""Nodes of files: from files to items, from items to files, packing and unpacking."""

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_READ = {
    "csv": "csv", "xlsx": "xlsx", "html": "html", "fromJson": "json", "text": "text",
    "xml": "text", "fromIcs": "ics", "binaryToPropery": "base64",
}  # fmt: skip
_WRITTEN = {
    "xls": "xlsx",
    "csv": "csv", "xlsx": "xlsx", "html": "html", "toJson": "json", "toText": "text",
    "toBinary": "base64",
}  # fmt: skip
_SHEETS_WRITTEN = {"csv": "csv", "xls": "xlsx", "xlsx": "xlsx", "html": "html"}
_SHEETS = {"csv": "csv", "xlsx": "xlsx", "html": "html", "autodetect": "auto"}
_TABLES = ("csv", "xlsx", "html", "auto")


def _extract(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    kind = fields.choice("operation", _READ, "csv")
    made: JsonObject = {
        "operation": "read",
        "format": kind,
        "file_field": fields.text("binaryPropertyName", "data"),
    }
    if kind in _TABLES:
        return Mapped("data.file", {**made, **_table(options)})
    if options.fixed("keepSource", "json") in ("binary", "both"):
        options.differ("The file is not handed on with what is read from it.")
    options.ignore("keepSource", "stripBOM")
    made["output_field"] = fields.text("destinationKey", "data")
    if kind == "text":
        made["encoding"] = options.text("encoding", "utf8")
    if kind == "json":
        made["split_items"] = False
    if kind == "ics":
        options.differ("Each event becomes an item with fields of its own.")
    return Mapped("data.file", made)


def _convert(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    kind = fields.choice("operation", _WRITTEN, "csv")
    _tell_old(fields, "operation", "csv")
    made: JsonObject = {
        "operation": "write",
        "format": kind,
        "file_field": fields.text("binaryPropertyName", "data"),
    }
    made.update(_named(options))
    if kind in _TABLES:
        return Mapped("data.file", {**made, **_table(options), "flatten": True})
    made["bom"] = options.flag("addBOM")
    if encoding := options.text("encoding"):
        made["encoding"] = encoding
    if media_type := options.text("mimeType"):
        made["media_type"] = media_type
    options.ignore("dataIsBase64")
    if kind in ("text", "base64"):
        made.update(source_field=fields.text("sourceProperty"), per_item=True)
    else:
        made["per_item"] = fields.fixed("mode", "once") == "each"
        made["pretty"] = options.flag("format")
    return Mapped("data.file", made)


def _tell_old(fields: Fields, name: str, default: str) -> None:
    if fields.fixed(name, default) == "xls":
        fields.differ("The workbook is of the newer kind, XLSX.")


def _spreadsheet(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    made: JsonObject = {"file_field": fields.text("binaryPropertyName", "data")}
    if fields.fixed("operation", "fromFile") == "toFile":
        made.update(operation="write", format=fields.choice("fileFormat", _SHEETS_WRITTEN, "xls"))
        _tell_old(fields, "fileFormat", "xls")
        made.update(_named(options), flatten=True)
    else:
        made.update(operation="read", format=fields.choice("fileFormat", _SHEETS, "autodetect"))
    return Mapped("data.file", {**made, **_table(options)})


def _table(options: Fields) -> JsonObject:
    """What options say of a table."""
    made: JsonObject = {"header": options.flag("headerRow", True)}
    texts = {"delimiter": "delimiter", "sheet": "sheetName", "encoding": "encoding"}
    made |= {ours: text for ours, theirs in texts.items() if (text := options.text(theirs))}
    if options.has("fromLine"):
        made["skip_rows"] = max(0, int(options.number("fromLine", 0)) - 1)
    if most := int(options.number("maxRowCount", 0)):
        made["max_items"] = max(0, most)
    if options.flag("includeEmptyCells"):
        made["keep_empty"] = True
    if options.text("range"):
        raise CannotMap("It reads a range of cells, which data.file does not.")
    options.ignore("enableBOM")
    for name in ("compression", "rawData", "readAsString", "relaxQuotes", "skipRecordsWithErrors"):
        if options.has(name):
            options.differ(f"The option {name!r} means nothing here.")
            options.ignore(name)
    return made


def _named(options: Fields) -> JsonObject:
    name = options.text("fileName")
    return {"file_name": name} if name else {}


def _move(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    made: JsonObject = {}
    if fields.fixed("mode", "binaryToJson") == "binaryToJson":
        made.update(operation="read", file_field=fields.text("sourceKey", "data"))
        whole = fields.flag("setAllData", True)
        made["output_field"] = "data" if whole else fields.text("destinationKey", "data")
        kept_as_text = options.flag("keepAsBase64")
        made["format"] = "base64" if kept_as_text else "json" if whole else "text"
        made["encoding"] = options.text("encoding", "utf8")
        if options.flag("jsonParse"):
            made["format"] = "json"
        options.ignore("keepSource", "stripBOM")
        return Mapped("data.file", made)
    made.update(operation="write", per_item=True, file_field=fields.text("destinationKey", "data"))
    if not fields.flag("convertAllData", True):
        made["source_field"] = fields.text("sourceKey", "data")
    encoded, raw = options.flag("dataIsBase64"), options.flag("useRawData")
    made["format"] = "base64" if encoded else "text" if raw else "json"
    made.update(_named(options))
    if media_type := options.text("mimeType"):
        made["media_type"] = media_type
    options.ignore("keepSource", "addBOM", "encoding")
    return Mapped("data.file", made)


def _compression(node: SourceNode) -> Mapped:
    fields = node.fields
    made: JsonObject = {"file_field": fields.text("binaryPropertyName", "data")}
    if fields.fixed("operation", "decompress") == "decompress":
        prefix = fields.text("outputPrefix", "file_").removesuffix("_")
        fields.differ("A single file that is unpacked has no number behind its name.")
        return Mapped("data.file", {**made, "operation": "decompress", "output_field": prefix})
    archive = fields.fixed("outputFormat", "zip")
    if archive not in ("zip", "gzip"):
        raise CannotMap(f"There is no counterpart of the format {archive!r}.")
    made.update(operation="compress", archive=archive)
    made["output_field"] = fields.text("binaryPropertyOutput", "data")
    if name := fields.text("fileName"):
        made["file_name"] = name
    fields.ignore("outputPrefix")
    return Mapped("data.file", made)


def _calendar(node: SourceNode) -> Mapped:
    del node
    raise CannotMap("It writes one event from its own fields; set them and use data.file.")


def _on_disk(node: SourceNode) -> Mapped:
    del node
    raise CannotMap("Workflows see no disk here; files come by HTTP, webhooks or from S3.")


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.extractFromFile",), _extract),
    NodeMapping(("n8n-nodes-base.convertToFile",), _convert),
    NodeMapping(("n8n-nodes-base.spreadsheetFile",), _spreadsheet),
    NodeMapping(("n8n-nodes-base.moveBinaryData",), _move),
    NodeMapping(("n8n-nodes-base.compression",), _compression),
    NodeMapping(("n8n-nodes-base.iCal",), _calendar),
    NodeMapping(
        (
            "n8n-nodes-base.readWriteFile",
            "n8n-nodes-base.readBinaryFile",
            "n8n-nodes-base.readBinaryFiles",
            "n8n-nodes-base.writeBinaryFile",
        ),
        _on_disk,
    ),
)

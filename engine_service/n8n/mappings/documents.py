"""Nodes that read and write documents: XML."""

from engine_service.n8n.mapping import Fields, Mapped, NodeMapping, SourceNode
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


MAPPINGS = (NodeMapping(("n8n-nodes-base.xml",), _xml),)

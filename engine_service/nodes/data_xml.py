"""`data.xml`: reads XML into fields, and writes fields as XML."""

from typing import Any, ClassVar, Literal, cast

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
from engine_service.values.field_types import describe
from engine_service.values.fields import FieldNames
from engine_service.values.xml_reading import BadXml, XmlReading
from engine_service.values.xml_writing import DEFAULT_ROOT, NotXml, XmlWriting
from shared.workflow import Item, JsonObject


class XmlParameters(NodeParameters):
    """Which way, and how elements and fields stand for each other."""

    mode: Literal["read", "write"] = Field(
        default="read", description="`read` makes fields of XML, `write` makes XML of fields"
    )
    field: str = Field(
        default="data", min_length=1, description="The field that holds the XML, or will"
    )
    attributes_field: str = Field(
        default="$", min_length=1, description="The field that stands for an element's attributes"
    )
    text_field: str = Field(
        default="_",
        min_length=1,
        description="The field that stands for an element's text when it has other fields too",
    )
    merge_attributes: bool = Field(
        default=True, description="For read: whether attributes become fields like elements"
    )
    ignore_attributes: bool = Field(
        default=False, description="For read: whether attributes are left out"
    )
    always_lists: bool = Field(
        default=False, description="For read: whether a single element is a list, too"
    )
    include_root: bool = Field(
        default=True, description="For read: whether the result has the root element as a field"
    )
    trim: bool = Field(default=False, description="For read: whether texts lose outer spaces")
    collapse_spaces: bool = Field(
        default=False, description="For read: whether several spaces in texts become one"
    )
    lower_names: bool = Field(
        default=False, description="For read: whether names of elements become lower case"
    )
    root: str = Field(
        default=DEFAULT_ROOT,
        min_length=1,
        description="For write: the root element; with the default a single field is the root",
    )
    cdata: bool = Field(
        default=False, description="For write: whether texts with `<`, `>` or `&` stand in CDATA"
    )
    header: bool = Field(
        default=True, description="For write: whether `<?xml …?>` stands at the beginning"
    )


class DataXml(PureNode[XmlParameters]):
    """Turns XML into fields, or fields into XML.

    - `read` takes the text in `field`; its elements become the item's fields: `<a><b>1</b></a>`
      gives `{"a": {"b": "1"}}`. Repeated elements become a list, attributes fields beside the
      elements. Values are texts. An element with both text and fields has its text in `_`.
    - `write` makes XML of all of the item's fields and puts it into `field`.

    Documents that declare entities of their own are refused, and nothing is ever loaded from
    outside.
    """

    Parameters = XmlParameters
    type = "data.xml"
    title = "XML"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"mode": "write", "root": "person", "field": "xml"},
        {"mode": "write", "header": False, "cdata": True},
    )
    keywords = (
        "xml", "parse xml", "xml to json", "json to xml", "soap", "feed", "convert", "elements",
        "解析XML", "XML转JSON", "生成XML",
    )  # fmt: skip

    def run(self, given: NodeInput[XmlParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            parameters = given.parameters_for(index)
            try:
                convert = _read if parameters.mode == "read" else _write
                fields = convert(item["json"], parameters)
                made.append({"json": fields, "paired_item": index})
            except BadXml as error:
                failures.append(ItemFailure(index, "bad_xml", str(error)))
            except NotXml as error:
                failures.append(ItemFailure(index, "not_xml", str(error)))
        return Done({MAIN: made}, failures)


def _read(fields: JsonObject, parameters: XmlParameters) -> JsonObject:
    found: Any = FieldNames().get(fields, parameters.field)
    if not isinstance(found, str) or not found.strip():
        told = "nothing" if found in (None, "") else describe(found)
        raise BadXml(f"expected XML in the field {parameters.field} but found {told}")
    reading = XmlReading(
        attributes=parameters.attributes_field,
        text=parameters.text_field,
        always_lists=parameters.always_lists,
        root=parameters.include_root,
        ignore_attributes=parameters.ignore_attributes,
        merge_attributes=parameters.merge_attributes,
        collapse=parameters.collapse_spaces,
        lower_names=parameters.lower_names,
        trim=parameters.trim,
    )
    read = reading.read(found)
    return cast("JsonObject", read) if isinstance(read, dict) else {parameters.text_field: read}


def _write(fields: JsonObject, parameters: XmlParameters) -> JsonObject:
    writing = XmlWriting(
        attributes=parameters.attributes_field,
        text=parameters.text_field,
        root=parameters.root,
        cdata=parameters.cdata,
        headless=not parameters.header,
    )
    return {parameters.field: writing.write(fields)}

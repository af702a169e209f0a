"""XML texts as objects: elements become fields, repeated ones lists, text their value.

Reading follows the conventions that most tools for JavaScript share. Documents come from
strangers: entities of their own are refused, nothing outside is loaded, and nesting is bounded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.entities import html5
from typing import Any, cast
from xml.parsers import expat

from shared.workflow import JsonObject

MOST_LEVELS = 200
_BLANK = re.compile(r"\s*")
_SPACES = re.compile(r"\s{2,}")


class BadXml(ValueError):
    """The text is not XML that can be read; the message says where."""


@dataclass(frozen=True, slots=True)
class XmlReading:
    """How elements become fields.

    Attributes:
        attributes: The field for an element's attributes, unless they are merged.
        text: The field for an element's text when it has other fields too.
        always_lists: Every element is in a list, even a single one.
        root: The result has the root element as its only field.
        ignore_attributes: Attributes are left out.
        merge_attributes: Attributes become fields among the elements.
        collapse: Spaces in texts become single ones.
        lower_names: Names of elements are in lower case.
        trim: Texts lose the spaces around them.
    """

    attributes: str = "$"
    text: str = "_"
    always_lists: bool = False
    root: bool = True
    ignore_attributes: bool = False
    merge_attributes: bool = True
    collapse: bool = False
    lower_names: bool = False
    trim: bool = False

    def read(self, text: str) -> Any:
        """What the document's root element becomes.

        Raises:
            BadXml: It is malformed, declares entities, or is nested too deeply.
        """
        reader = _Reader(self)
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.ordered_attributes = False
        parser.UseForeignDTD(True)  # or else an entity that HTML knows would be an error
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.add
        parser.StartCdataSectionHandler = reader.cdata
        parser.SkippedEntityHandler = reader.entity
        parser.EntityDeclHandler = reader.refuse
        parser.ExternalEntityRefHandler = _load_nothing
        try:
            parser.Parse(text.lstrip("\ufeff \t\r\n").encode(errors="replace"), True)
        except expat.ExpatError as error:
            what = expat.errors.messages[error.code]
            raise BadXml(f"{what} (line {error.lineno}, column {error.offset + 1})") from error
        return reader.result


def _load_nothing(*_: Any) -> int:
    return 1


class _Element:
    """An element that is open."""

    __slots__ = ("fields", "has_cdata", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: JsonObject = {}
        self.text: list[str] = []
        self.has_cdata = False


class _Reader:
    """Handles what the parser meets."""

    def __init__(self, how: XmlReading) -> None:
        self._how = how
        self._open: list[_Element] = []
        self.result: Any = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        how = self._how
        if len(self._open) >= MOST_LEVELS:
            raise BadXml(f"elements are nested more than {MOST_LEVELS} deep")
        element = _Element(name.lower() if how.lower_names else name)
        if attributes and not how.ignore_attributes:
            if how.merge_attributes:
                for key, value in attributes.items():
                    self._put(element.fields, key, value)
            else:
                element.fields[how.attributes] = dict(attributes)
        self._open.append(element)

    def add(self, text: str) -> None:
        self._open[-1].text.append(text)

    def cdata(self) -> None:
        self._open[-1].has_cdata = True

    def entity(self, name: str, is_parameter: bool) -> None:
        if is_parameter:
            return
        meant = html5.get(f"{name};")
        if meant is None:
            raise BadXml(f"the entity &{name}; is not known")
        self.add(meant)

    def refuse(self, name: str, *_: Any) -> None:
        raise BadXml(f"the document declares an entity of its own, {name}")

    def end(self, _: str) -> None:
        element = self._open.pop()
        value = self._value(element)
        if self._open:
            self._put(self._open[-1].fields, element.name, value)
        else:
            self.result = {element.name: value} if self._how.root else value

    def _value(self, element: _Element) -> Any:
        how, fields, text = self._how, element.fields, "".join(element.text)
        if _BLANK.fullmatch(text) and not element.has_cdata:
            return fields or text
        if how.trim:
            text = text.strip()
        if how.collapse:
            text = _SPACES.sub(" ", text).strip()
        if not fields:
            return text
        fields[how.text] = text
        return fields

    def _put(self, fields: JsonObject, name: str, value: Any) -> None:
        if name not in fields:
            fields[name] = [value] if self._how.always_lists else value
        elif isinstance(fields[name], list):
            cast("list[Any]", fields[name]).append(value)
        else:
            fields[name] = [fields[name], value]

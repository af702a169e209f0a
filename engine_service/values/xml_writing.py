"""Objects as XML texts, the counterpart of xml_reading: fields become elements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from engine_service.values.field_types import to_text
from shared.workflow import JsonObject

DEFAULT_ROOT = "root"
_HEADER = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NAME = re.compile(
    r"[:A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d"
    r"\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff]"
    r"[-.0-9:A-Z_a-z\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c-\u200d"
    r"\u203f-\u2040\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
    r"\U00010000-\U000effff]*"
)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_IN_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


class NotXml(ValueError):
    """A field cannot be written as XML; the message names it."""


@dataclass(frozen=True, slots=True)
class XmlWriting:
    """How fields become elements.

    Attributes:
        attributes: The field whose fields are the element's attributes.
        text: The field that is the element's text.
        root: The root element, unless the object has a single field, which then is it.
        cdata: Texts with signs that mean something in XML stand in CDATA sections.
        headless: There is no XML declaration.
    """

    attributes: str = "$"
    text: str = "_"
    root: str = DEFAULT_ROOT
    cdata: bool = False
    headless: bool = False

    def write(self, fields: JsonObject) -> str:
        """The object as a document, indented by two spaces.

        Raises:
            NotXml: A name or a text is not possible in XML.
        """
        name, content = self.root, cast("Any", fields)
        if len(fields) == 1 and self.root == DEFAULT_ROOT:
            name, content = next(iter(fields.items()))
        root = _Node(_named(name))
        self._fill(root, content)
        header = "" if self.headless else _HEADER
        return header + "\n".join(root.lines(0))

    def _fill(self, node: "_Node", content: Any) -> None:
        if isinstance(content, list):
            for member in cast("list[Any]", content):
                self._fill_members(node, member)
        elif isinstance(content, dict):
            self._fill_members(node, content)
        else:
            node.parts.append(self._text(content))

    def _fill_members(self, node: "_Node", content: Any) -> None:
        if not isinstance(content, dict):
            node.parts.append(self._text(content))
            return
        for name, value in cast("JsonObject", content).items():
            if name == self.attributes and isinstance(value, dict):
                for key, attribute in cast("JsonObject", value).items():
                    node.attributes[_named(key)] = _clean(attribute).translate(_IN_ATTRIBUTE)
            elif name == self.text:
                node.parts.append(self._text(value))
            else:
                several = cast("list[Any]", value) if isinstance(value, list) else [value]
                for each in several:
                    inner = _Node(_named(name))
                    self._fill(inner, each)
                    node.parts.append(inner)

    def _text(self, value: Any) -> str:
        text = _clean(value)
        if self.cdata and any(sign in text for sign in "&<>"):
            return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
        return text.translate(_IN_TEXT)


class _Node:
    """An element that is being written: its parts are texts, ready to stand there, and elements."""

    __slots__ = ("attributes", "name", "parts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[str, str] = {}
        self.parts: list[str | _Node] = []

    def lines(self, level: int) -> Iterator[str]:
        indent = "  " * level
        start = f"<{self.name}" + "".join(f' {k}="{v}"' for k, v in self.attributes.items())
        parts = [part for part in self.parts if part != ""]
        if not parts:
            yield f"{indent}{start}/>"
        elif len(parts) == 1 and isinstance(parts[0], str):
            yield f"{indent}{start}>{parts[0]}</{self.name}>"
        else:
            yield f"{indent}{start}>"
            for part in parts:
                if isinstance(part, str):
                    yield f"{indent}  {part}"
                else:
                    yield from part.lines(level + 1)
            yield f"{indent}</{self.name}>"


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NotXml(f"{name[:80]!r} cannot be the name of an element or attribute")
    return name


def _clean(value: Any) -> str:
    text = "" if value is None else to_text(value)
    if _FORBIDDEN.search(text):
        raise NotXml("a text holds a control character, which XML cannot")
    return text

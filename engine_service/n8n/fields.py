"""The parameters of an n8n node, read so that nothing is overlooked.

A mapping takes what it knows by name; whatever it did not take is known afterwards, and the report
says that it was not carried over.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from engine_service.n8n.expressions import is_expression, translate
from shared.workflow import JsonObject

T = TypeVar("T")


class CannotMap(Exception):
    """This node has no counterpart, whatever its type; the message says why."""


class Fields:
    """One object of parameters."""

    def __init__(self, raw: JsonObject, differences: list[str] | None = None) -> None:
        self.raw = raw
        self.differences: list[str] = [] if differences is None else differences
        self._read: set[str] = set()
        self._inner: dict[str, list[Fields]] = {}

    def take(self, name: str, default: Any = None) -> Any:
        """A value in our words; `default` is what n8n assumes when it is not written."""
        return translate(self.verbatim(name, default))

    def verbatim(self, name: str, default: Any = None) -> Any:
        """A value as it is written there, such as code."""
        self._read.add(name)
        found = self.raw.get(name)
        return default if found is None else found

    def located(self, name: str, default: Any = "") -> Any:
        """A value that may stand in a resource locator."""
        found = self.verbatim(name, default)
        if isinstance(found, dict) and "__rl" in found:
            found = cast("JsonObject", found).get("value", default)
        return translate(found)

    def text(self, name: str, default: str = "") -> str:
        """A value that is a text here."""
        found = self.take(name, default)
        return found if isinstance(found, str) else _plain(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """A value that must be known before any run.

        Raises:
            CannotMap: It is an expression.
        """
        found = self.fixed(name, default)
        return found is True or found == "true"

    def fixed(self, name: str, default: Any = None) -> Any:
        """A value that must be known before any run, such as an operation.

        Raises:
            CannotMap: It is an expression.
        """
        found = self.verbatim(name, default)
        if is_expression(found):
            raise CannotMap(f"{name!r} is an expression; here it must be a fixed value.")
        return found

    def choice(self, name: str, choices: Mapping[str, T], default: str) -> T:
        """One of n8n's words as ours.

        Raises:
            CannotMap: There is no such word, or it is an expression.
        """
        word = self.fixed(name, default)
        if word not in choices:
            raise CannotMap(f"There is no counterpart of {name} {word!r}.")
        return choices[word]

    def number(self, name: str, default: float) -> float:
        """A number that must be known before any run."""
        found = self.fixed(name, default)
        try:
            return float(found)
        except (TypeError, ValueError) as error:
            raise CannotMap(f"{name!r} is not a number.") from error

    def section(self, *path: str) -> "Fields":
        """An object inside; empty when it is not there."""
        if not path:
            return self
        name, *rest = path
        self._read.add(name)
        if name not in self._inner:
            self._inner[name] = [Fields(_object(self.raw.get(name)), self.differences)]
        return self._inner[name][0].section(*rest)

    def rows(self, *path: str) -> "list[Fields]":
        """A list of objects inside; a single object counts as one."""
        *outer, name = path
        if outer:
            return self.section(*outer).rows(name)
        self._read.add(name)
        if name not in self._inner:
            found: Any = self.raw.get(name)
            listed = cast("list[Any]", found) if isinstance(found, list) else [found]
            objects = [_object(each) for each in listed if isinstance(each, dict)]
            self._inner[name] = [Fields(each, self.differences) for each in objects]
        return self._inner[name]

    def has(self, name: str) -> bool:
        """Whether it is written at all."""
        return self.raw.get(name) is not None

    def ignore(self, *names: str) -> None:
        """Take note of what means nothing here, such as what only the editor shows."""
        self._read.update(names)

    def differ(self, sentence: str) -> None:
        """Say what behaves otherwise."""
        if sentence not in self.differences:
            self.differences.append(sentence)

    def unread(self, prefix: str = "") -> Iterator[str]:
        """Names of what says something and was not taken."""
        for name, value in self.raw.items():
            if name in self._inner:
                for row in self._inner[name]:
                    yield from row.unread(f"{prefix}{name}.")
            elif name not in self._read and value not in (None, "", False, [], {}):
                yield f"{prefix}{name}"


def _object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)[:10_000]

"""Fields of items by the names that authors give: read, written and removed.

A name that a field bears literally is that field. Otherwise its dots and brackets reach into
objects and lists, unless the author says that they are part of the name.
"""

from dataclasses import dataclass
from typing import Any

from engine_service.values.paths import get_path, parse_path, put_path, remove_path
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class FieldNames:
    """How names of fields are read.

    Attributes:
        dots: Whether dots and brackets reach into objects and lists.
    """

    dots: bool = True

    def find(self, fields: JsonObject, name: str) -> tuple[bool, Any]:
        """Whether there is such a field, and its value."""
        if name in fields:
            return True, fields[name]
        return get_path(fields, parse_path(name)) if self.dots else (False, None)

    def get(self, fields: JsonObject, name: str) -> Any:
        """The field's value; None when there is none."""
        return self.find(fields, name)[1]

    def put(self, fields: JsonObject, name: str, value: Any) -> None:
        """Write a field, making the objects on the way. What is on the way is copied.

        Raises:
            ValueError: An index is too large.
        """
        if not self.dots or name in fields:
            fields[name] = value
        else:
            put_path(fields, parse_path(name), value)

    def drop(self, fields: JsonObject, name: str) -> None:
        """Remove a field, if it is there. What is on the way is copied."""
        if name in fields:
            del fields[name]
        elif self.dots:
            remove_path(fields, parse_path(name))

    def in_any(self, items: list[Any], name: str) -> bool:
        """Whether at least one of these items has the field; true when there are none."""
        return not items or any(self.find(item["json"], name)[0] for item in items)

    def last(self, name: str) -> str:
        """The name of the innermost field that a name reaches: `price` of `order.price`."""
        return str(parse_path(name)[-1]) if self.dots else name
